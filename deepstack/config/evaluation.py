"""How the trained model is judged."""

from typing import Literal

from pydantic import Field

from deepstack.config._room import Room

Baseline = Literal["take_all", "logistic", "random_forest", "gradient_boosting", "xgboost"]


class EvaluationConfig(Room):
    """Threshold, baselines and uncertainty."""

    min_coverage: float = Field(
        0.1, gt=0.0, le=1.0, description="the threshold must take at least this share of validation candidates"
    )
    baselines: tuple[Baseline, ...] = Field(
        ("take_all", "logistic", "random_forest", "gradient_boosting"),
        description="what the network is compared with; xgboost needs `pip install deepstack[boost]`",
    )
    calibration: Literal["none", "temperature", "platt", "isotonic"] = Field(
        "none",
        description="how probabilities are calibrated on validation: of the network, in all its forms, and of "
        "every baseline",
    )
    bootstrap_resamples: int = Field(
        1000, ge=100, le=100_000, description="block bootstrap resamples behind every interval"
    )
    risk_share: float = Field(0.01, gt=0.0, le=1.0, description="share of equity risked a trade (1 R)")
    permutation_rows: int = Field(
        2000, ge=100, le=1_000_000, description="test rows used for the importance of feature groups"
    )
