"""What a search looks like: its history, which keys mattered, and all trials side by side; drawn by optuna."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import optuna
from matplotlib.figure import Figure
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from deepstack.tuning.optuna_engine import direction_of, distribution, scores_of
from deepstack.tuning.outcome import Outcome
from deepstack.tuning.study import Study

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
LEAST_FOR_IMPORTANCE = 4


def importance(outcomes: Sequence[Outcome], study: Study) -> dict[str, float]:
    """Key → share of the score's variance it explains over the space; empty with too few trials, or with equal scores.

    Source: Hutter et al. 2014, An efficient approach for assessing hyperparameter importance (fANOVA).
    """
    known = _as_optuna(outcomes, study, both=False)
    scores = {one.value for one in known.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(scores) < LEAST_FOR_IMPORTANCE:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=study.config.seed)
    found = optuna.importance.get_param_importances(known, evaluator=evaluator)
    return {key: float(share) for key, share in found.items()}


def figures(outcomes: Sequence[Outcome], study: Study) -> dict[str, Figure]:
    """Name → plot: `history`, `importance`, `parallel_coordinates`, and `pareto` of two objectives."""
    matplotlib.use("Agg")
    known, found = _as_optuna(outcomes, study, both=False), {}
    views = optuna.visualization.matplotlib
    target = study.config.tuning.objective.replace("_", " ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)
        finished = known.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if finished:
            found["history"] = _drawn(lambda: views.plot_optimization_history(known, target_name=target))
        if len(finished) > 1:
            found["parallel_coordinates"] = _drawn(lambda: views.plot_parallel_coordinate(known, target_name=target))
        if importance(outcomes, study):
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=study.config.seed)
            found["importance"] = _drawn(
                lambda: views.plot_param_importances(known, evaluator=evaluator, target_name=target)
            )
        if study.against != "none" and finished:
            both = _as_optuna(outcomes, study, both=True)
            names = [target, {"latency": "latency, ms", "size": "parameters"}[study.against]]
            found["pareto"] = _drawn(lambda: views.plot_pareto_front(both, target_names=names))
    return found


def _drawn(draw: Callable[[], Any]) -> Figure:
    from matplotlib import pyplot

    with pyplot.rc_context({"figure.figsize": (7.6, 4.2), "figure.dpi": 144, "font.size": 8}):
        axes = draw()
        figure: Figure = axes.get_figure()
        figure.set_layout_engine("tight")
        pyplot.close(figure)
    return figure


def _as_optuna(outcomes: Sequence[Outcome], study: Study, *, both: bool) -> optuna.Study:
    """The trials of any engine as an optuna study in memory."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    second = [StudyDirection.MINIMIZE] if both else []
    known = optuna.create_study(directions=[direction_of(study), *second])
    kinds = {parameter.key: distribution(parameter) for parameter in study.config.tuning.parameters}
    for one in outcomes:
        scores = scores_of(one, study) if one.state == "complete" else None
        known.add_trial(
            create_trial(
                state=STATES[one.state],
                params=dict(one.values),
                distributions={key: kinds[key] for key in one.values},
                values=scores if both or scores is None else scores[:1],
            )
        )
    return known
