"""Sell, hold or buy, judged: class figures for one horizon, and what following the direction would have earned."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.labels import LabelsConfig
from deepstack.errors import DataError
from deepstack.evaluation.calibration import expected_calibration_error
from deepstack.evaluation.classification import ratio
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.significance import Statistic, auc_of, bootstrap, interval95, mean_over
from deepstack.evaluation.trading import trade
from deepstack.labels.outcome import result_in_r

SELL, HOLD, BUY = 0, 1, 2


def conviction(probability: np.ndarray) -> np.ndarray:
    """|P(buy) − P(sell)|, float64 [samples] in [0, 1]: a position is taken from a threshold of it on."""
    return np.abs(probability[:, BUY] - probability[:, SELL])


def trades_of(samples: pd.DataFrame, horizon: str, probability: np.ndarray, config: LabelsConfig) -> pd.DataFrame:
    """The trade that each sample's likelier direction stands for, held over the horizon: a frame of TRADE_COLUMNS.

    Args:
        samples: as `label_horizons` returns them.
        horizon: named as in the config.
        probability: float64 [samples, 3].
        config: costs a side.
    """
    side = np.where(probability[:, BUY] >= probability[:, SELL], 1, -1).astype(np.int8)
    entry, exit_price = samples["entry_price"].to_numpy(), samples[f"exit_price_{horizon}"].to_numpy()
    risk = entry * samples[f"risk_{horizon}"].to_numpy()
    gross_r, net_r = result_in_r(side, entry, exit_price, risk, config)
    return pd.DataFrame(
        {
            "symbol": samples["symbol"],
            "side": side,
            "decision_time": samples["decision_time"],
            "entry_time": samples["entry_time"],
            "end_time": samples[f"end_{horizon}"],
            "entry_price": entry,
            "exit_price": exit_price,
            "risk": risk,
            "gross_r": gross_r,
            "net_r": net_r,
            "won": net_r > 0.0,
            "exit": "time",
        }
    )


def evaluate_moves(
    codes: np.ndarray,
    probability: np.ndarray,
    trades: pd.DataFrame,
    threshold: float,
    market: Market,
    config: EvaluationConfig,
    seed: int,
) -> tuple[dict[str, Any], DailyReturns]:
    """Judge one model on one slice and horizon.

    Args:
        codes: int [samples], the true classes.
        probability: float64 [samples, 3], corrected to the priors.
        trades: from `trades_of`, for these probabilities.
        threshold: of the conviction; trades from there on are taken.
        market: the candles the samples were labelled on.
        config: risk a trade, see `risk_a_trade`, and the number of bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        The keys of a `test` block: `auc` is the mean over classes of each against the others, `precision`, `recall` and
        `f1` are macro means, `brier` is summed over classes, `ece` is that of the likeliest class, `confusion` has true
        classes as rows; the trading figures are those of the taken trades.
    """
    check_class_probability(probability, len(codes))
    taken = conviction(probability) >= threshold
    right = probability.argmax(axis=1) == codes
    figures, returns = trade(trades, taken, market, risk_a_trade(trades, config))
    won, net_r = trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64)
    drawn = bootstrap(
        {
            "auc": macro_auc_of(codes, probability),
            "log_loss": mean_over(class_log_losses(codes, probability)),
            "accuracy": mean_over(right),
            "win_rate": mean_over(won, taken),
            "expectancy_r": mean_over(net_r, taken),
        },
        trades,
        config.bootstrap_resamples,
        seed,
    )
    block = {
        **class_scores(codes, probability),
        **figures,
        **{f"{name}_ci95": interval95(resampled) for name, resampled in drawn.items()},
        "threshold": float(threshold),
    }
    return block, returns


def risk_a_trade(trades: pd.DataFrame, config: EvaluationConfig) -> float:
    """Share of equity risked on each trade: the config's, shared by all trades of a symbol that are open together."""
    overlapping = max(1, int(np.median(trades.groupby("symbol").size() * _holding_share(trades))))
    return config.risk_share / overlapping


def class_scores(codes: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Figures of class probabilities: `auc log_loss brier ece accuracy precision recall f1 confusion`."""
    classes = np.arange(probability.shape[1])
    answer = probability.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        codes, answer, labels=classes, average="macro", zero_division=0.0
    )
    one_hot = classes == codes[:, None]
    auc = float(macro_auc_of(codes, probability)(np.ones((1, len(codes))))[0])
    return {
        "auc": ratio(auc, 1.0) if np.isfinite(auc) else None,
        "log_loss": float(log_loss(codes, probability, labels=classes)),
        "brier": float(np.mean(((probability - one_hot) ** 2).sum(axis=1))),
        "ece": expected_calibration_error(answer == codes, probability.max(axis=1)),
        "accuracy": float(accuracy_score(codes, answer)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "confusion": confusion_matrix(codes, answer, labels=classes).tolist(),
    }


def macro_auc_of(codes: np.ndarray, probability: np.ndarray) -> Statistic:
    """Statistic: mean over classes of the AUC of each against the others."""
    parts = [auc_of(codes == k, probability[:, k]) for k in range(probability.shape[1])]

    def statistic(counts: np.ndarray) -> np.ndarray:
        return np.mean([part(counts) for part in parts], axis=0)

    return statistic


def mean_class_auc(codes: np.ndarray, probability: np.ndarray) -> float | None:
    """Mean over outputs of the macro AUC; None where a class is absent.

    Args:
        codes: int [samples, outputs].
        probability: float64 [samples, outputs, classes].
    """
    whole = np.ones((1, len(codes)))
    values = [macro_auc_of(codes[:, k], probability[:, k])(whole)[0] for k in range(codes.shape[1])]
    return float(np.mean(values)) if np.isfinite(values).all() else None


def class_log_losses(codes: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Nats of each sample, float64 [samples]."""
    given = np.take_along_axis(probability, codes[:, None].astype(np.int64), axis=1)[:, 0]
    return -np.log(np.maximum(given, np.finfo(np.float64).eps))  # as scikit-learn's log_loss


def check_class_probability(probability: np.ndarray, rows: int) -> None:
    """Refuse what are no class probabilities.

    Raises:
        DataError: another number of rows, a value that is not finite or outside [0, 1], or rows that do not sum to 1.
    """
    sums = probability.sum(axis=1) if probability.ndim == 2 else np.zeros(0)
    if len(sums) != rows or rows == 0 or not (np.abs(sums - 1.0) < 1e-3).all() or not (probability >= 0.0).all():
        raise DataError(
            "evaluation",
            expected=f"{rows} rows of probabilities that sum to 1",
            received=f"{probability.shape}, sums from {sums.min(initial=np.nan):.3f} to {sums.max(initial=np.nan):.3f}",
            remedy="predict every sample once, and look for NaN in the features",
        )


def _holding_share(trades: pd.DataFrame) -> float:
    """Mean holding time as a share of the whole span of the slice."""
    held = (trades["end_time"] - trades["decision_time"]).mean()
    span = trades["decision_time"].max() - trades["decision_time"].min()
    return held / span if span > pd.Timedelta(0) else 0.0
