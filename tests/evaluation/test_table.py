from deepstack.evaluation.table import comparison_rows, markdown_lines

NETWORK = {"auc": 0.61234, "auc_ci95": [0.6, 0.62], "log_loss": 0.65, "expectancy_r": None, "coverage": 0.25}
OTHER = {"auc": 0.55, "auc_ci95": None, "log_loss": 0.64, "expectancy_r": None, "coverage": 1.0}


def test_cells_carry_intervals_and_the_best_is_marked() -> None:
    rows = {row.label: row for row in comparison_rows({"network": NETWORK, "logistic": OTHER})}
    assert rows["AUC"].cells == ["0.612 [0.600, 0.620]", "0.550"]
    assert rows["AUC"].best == [True, False]
    assert rows["Log-loss (nats)"].best == [False, True]
    assert rows["Coverage"].best == [False, False]
    assert "Expectancy (R a trade)" not in rows


def test_an_undefined_figure_is_a_dash_and_equal_ones_are_not_best() -> None:
    rows = comparison_rows({"network": {"auc": None}, "a": {"auc": 0.5}, "b": {"auc": 0.5}})
    assert rows[0].cells == ["–", "0.500", "0.500"]
    assert rows[0].best == [False, False, False]


def test_markdown_columns_line_up() -> None:
    lines = markdown_lines({"verdict": "So.", "test": NETWORK, "baselines": {"take_all": OTHER}})
    assert lines[:2] == ["So.", ""]
    assert len({len(line) for line in lines[2:]}) == 1
    assert lines[2].split("|")[3].strip() == "take all"
