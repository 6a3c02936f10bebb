"""A search as every process of it sees it: what is searched, how, and where."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepstack.artifact.atomic import write_atomic
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError

Engine = Literal["bayesian", "hyperband", "random", "grid", "optuna"]
Against = Literal["none", "latency", "size"]


@dataclass(frozen=True)
class Study:
    """One search.

    Attributes:
        config: the experiment, with its space.
        folder: of the search.
        engine: what proposes trials; all but `optuna` are Keras Tuner's.
        trials: at most.
        against: what a second objective keeps small; `optuna` alone can.
        storage: of optuna, a database URL; empty is a file in the folder.
    """

    config: RunConfig
    folder: Path
    engine: Engine = "bayesian"
    trials: int = 50
    against: Against = "none"
    storage: str = ""

    @property
    def larger_is_better(self) -> bool:
        """Which way the score goes."""
        return self.config.tuning.objective != "log_loss"

    @property
    def keeps_weights(self) -> bool:
        """Whether later trials may begin with the weights of earlier ones."""
        return self.config.tuning.grow or self.engine == "hyperband"

    @property
    def url(self) -> str:
        """Of optuna's storage."""
        return self.storage or f"sqlite:///{(self.folder / 'optuna.db').absolute()}"

    def require(self) -> None:
        """Refuse what does not go together.

        Raises:
            ConfigError: names the option.
        """
        if self.engine != "optuna" and (self.against != "none" or self.storage):
            option = "--against" if self.against != "none" else "--storage"
            raise ConfigError(option, expected="--tuner optuna", received=self.engine, remedy="that tuner, or neither")

    def record(self, fingerprint: str) -> None:
        """Write study.json, or compare with the one that is there; only the number of trials may grow.

        Raises:
            ArtifactError: the folder holds another search.
        """
        path = self.folder / "study.json"
        tree = {
            "engine": self.engine,
            "against": self.against,
            "fingerprint": fingerprint,
            "config": self.config.model_dump(mode="json", exclude={"data": {"paths"}}),
        }
        if not path.exists():
            text = json.dumps(tree, indent=2) + "\n"
            write_atomic(path, lambda part: part.write_text(text, encoding="utf-8"))
            return
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        other = next((key for key in tree if known.get(key) != tree[key]), None)
        if other is not None:
            raise ArtifactError(
                str(self.folder),
                expected=f"a search with this {other}",
                received="one with another",
                remedy="the options it was begun with, or another --out",
            )
