"""One whole experiment."""

from pydantic import Field

from deepstack.config._room import Room
from deepstack.config.data import DataConfig
from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.features import FeaturesConfig
from deepstack.config.labels import LabelsConfig
from deepstack.config.model import ModelConfig
from deepstack.config.samples import SamplesConfig
from deepstack.config.split import SplitConfig
from deepstack.config.training import TrainingConfig
from deepstack.config.tuning import TuningConfig


class RunConfig(Room):
    """Everything that decides what a run does; the manifest keeps it whole."""

    name: str = Field(
        "ultimate_deep_advanced", pattern=r"^[a-z][a-z0-9_]{0,99}$", description="prefix of the artifact's files"
    )
    seed: int = Field(7, ge=0, lt=2**31, description="of every random draw of the run")
    data: DataConfig = DataConfig()
    features: FeaturesConfig = FeaturesConfig()
    labels: LabelsConfig = LabelsConfig()
    split: SplitConfig = SplitConfig()
    samples: SamplesConfig = SamplesConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tuning: TuningConfig = TuningConfig()
