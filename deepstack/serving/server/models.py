"""Which models and versions are served: a folder watched, labels resolved, new versions loaded before old ones go."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from grpc import StatusCode
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow_serving.config import model_server_config_pb2 as configs

from deepstack.errors import ArtifactError
from deepstack.serving.models_config import MODELS_CONFIG, read_models_config
from deepstack.serving.server.batching import Batcher, Batching
from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.refusal import Refusal, not_found
from deepstack.serving.server.response_cache import ResponseCache
from deepstack.serving.server.signature import answers_by_row
from deepstack.serving.server.version import Version
from deepstack.serving.session_config import read_session_config

KEPT_STATES = 20
"""Versions that have gone whose state is still told."""
RETRY_S = 60.0
"""Until a version that could not be loaded is tried again."""


@dataclass(frozen=True)
class Wanted:
    """One model of the config.

    Attributes:
        folder: with a numbered folder a version.
        latest: how many of the newest; 0 is all.
        specific: these instead.
        labels: label → version.
    """

    folder: Path
    latest: int = 1
    specific: tuple[int, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)

    def versions(self) -> dict[int, Path]:
        """Number → folder of those that shall be served, of those that are there; a folder may be named 00000003."""
        found = sorted(path for path in _listed(self.folder) if (path / "saved_model.pb").exists())
        there = {int(path.name): path for path in found}
        every = sorted(there)
        chosen = set(self.specific) if self.specific else set(every[-self.latest :] if self.latest else every)
        return {number: there[number] for number in every if number in chosen | set(self.labels.values())}


@dataclass(eq=False)
class Models:
    """All that is served.

    Attributes:
        folder: a folder a model in it; `models.config` there may say more.
        batching: of every signature.
        sizes: told model, version, signature and rows of every call.
        cache: of answers.
        settings: of every version's TensorFlow session.
    """

    folder: Path
    batching: Batching = field(default_factory=Batching)
    sizes: Callable[[str, int, str, int], None] = lambda *_: None
    cache: ResponseCache = field(default_factory=ResponseCache)
    settings: ConfigProto = field(default_factory=read_session_config)
    loaded: dict[str, dict[int, Version]] = field(default_factory=dict)
    gone: dict[str, dict[int, Version]] = field(default_factory=dict)
    _given: tuple[dict[str, Wanted], float] | None = None
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _labels: dict[str, dict[str, int]] = field(default_factory=dict)
    _tasks: set[asyncio.Task] = field(default_factory=set)

    def wanted(self) -> dict[str, Wanted]:
        """What the folder or its config asks for, or what HandleReloadConfigRequest has asked since that changed.

        Raises:
            ArtifactError: the config cannot be read.
        """
        if self._given is not None and self._given[1] == _changed_at(self.folder / MODELS_CONFIG):
            return self._given[0]
        self._given = None
        found = {path.name: Wanted(path) for path in _folders(self.folder)}
        return found | wanted_of(read_models_config(self.folder), self.folder)

    async def refresh(self) -> None:
        """Load what is new, then let go of what is no longer wanted."""
        async with self._changing:
            wanted = self.wanted()
            # Settled before anything is loaded: a version published meanwhile is the next look's.
            keeps = {name: one.versions() for name, one in wanted.items()}
            new = [
                Version(name, number, folder, settings=self.settings)
                for name in wanted
                for number, folder in keeps[name].items()
                if number not in self.loaded.get(name, {}) and not self._failed(name, number, folder)
            ]
            for version in new:
                self.loaded.setdefault(version.model, {})[version.number] = version
            await asyncio.gather(*(version.load() for version in new))
            self._labels = {name: self._moved(name, one.labels) for name, one in wanted.items()}
            for name, versions in list(self.loaded.items()):
                keep = set(keeps.get(name, ())) | set(self._labels.get(name, {}).values())
                able = {number for number in keep if self._able(name, number)}
                for number, version in list(versions.items()):
                    # The last version that answers stays until another does.
                    if version.state == "END" or (number not in keep and (able or name not in wanted)):
                        self._let_go(version)

    def find(self, model: str, version: int | None = None, label: str | None = None) -> Version:
        """The version a request means: the newest available one unless it says more.

        Raises:
            Refusal: NOT_FOUND, or FAILED_PRECONDITION for a label nobody has given.
        """
        if label:
            labels = self._labels.get(model, {})
            if label not in labels:
                raise Refusal(StatusCode.FAILED_PRECONDITION, f"Unrecognized servable version label: {label}")
            version = labels[label]
        known = self.loaded.get(model, {})
        if version is not None:
            if version not in known or known[version].state not in ("AVAILABLE", "UNLOADING"):
                raise not_found(f"Servable not found for request: Specific({model}, {version})")
            return known[version]
        able = [number for number, one in known.items() if one.state == "AVAILABLE"]
        if not able:
            raise not_found(f"Servable not found for request: Latest({model})")
        return known[max(able)]

    def states(self, model: str, version: int | None = None, label: str | None = None) -> list[Version]:
        """Versions with their states, the newest first.

        Raises:
            Refusal: NOT_FOUND.
        """
        if label:
            return [self.find(model, label=label)]
        every = self.gone.get(model, {}) | self.loaded.get(model, {})
        if version is not None:
            every = {number: one for number, one in every.items() if number == version}
        if not every:
            named = f" with version {version}" if version is not None else ""
            raise not_found(f"Could not find any versions of model {model}{named}")
        return [every[number] for number in sorted(every, reverse=True)]

    async def ask(self, version: Version, signature: str, inputs: Arrays, rows: int | None) -> Arrays:
        """Outputs of a signature, those given before or joined with what others ask."""
        question = self.cache.key(version.serial, signature, inputs)
        known = self.cache.get(question)
        if known is not None:
            return known
        if signature not in version.batchers:
            joins = answers_by_row(version.signatures[signature])
            version.batchers[signature] = Batcher(
                lambda arrays: version.ask(signature, arrays),
                self.batching if joins else replace(self.batching, max_batch_size=1),
                lambda size: self.sizes(version.model, version.number, signature, size),
            )
        with version.held():
            outputs = await version.batchers[signature].ask(inputs, rows)
        if version.state == "AVAILABLE":
            self.cache.put(question, outputs)
        return outputs

    async def reload(self, config: configs.ModelServerConfig) -> None:
        """Serve what this config says until `models.config` changes, as HandleReloadConfigRequest asks.

        Raises:
            Refusal: INVALID_ARGUMENT for a config that says nothing usable, NOT_FOUND for a model without a version,
                FAILED_PRECONDITION for a label of a version that is not there: all stays as it was. FAILED_PRECONDITION
                too where a model has no version that can be loaded.
        """
        try:
            wanted = wanted_of(config, self.folder)
        except ArtifactError as error:
            raise Refusal(StatusCode.INVALID_ARGUMENT, str(error)) from error
        for name, one in wanted.items():
            _require_there(name, one)
        self._given = wanted, _changed_at(self.folder / MODELS_CONFIG)
        await self.refresh()
        for name in wanted:
            failed = [one for one in self.gone.get(name, {}).values() if one.error]
            if not self.loaded.get(name) and failed:
                raise Refusal(StatusCode.FAILED_PRECONDITION, f"{name}: {failed[-1].error}")

    async def close(self, most_s: float = math.inf) -> None:
        """Answer what is asked, for so long at most, then end every process."""
        every = [*self.loaded.values(), *self.gone.values()]
        versions = [version for each in every for version in each.values() if version.state != "END"]
        await asyncio.gather(*(version.unload(most_s) for version in versions))
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _able(self, name: str, number: int) -> bool:
        one = self.loaded.get(name, {}).get(number)
        return one is not None and one.state == "AVAILABLE"

    def _moved(self, name: str, labels: dict[str, int]) -> dict[str, int]:
        """Label → version; one whose new version does not answer stays where it was."""
        before = self._labels.get(name, {})
        return {label: to if self._able(name, to) else before.get(label, to) for label, to in labels.items()}

    def _let_go(self, version: Version) -> None:
        self.cache.clear()
        del self.loaded[version.model][version.number]
        if not self.loaded[version.model]:
            del self.loaded[version.model]
        gone = self.gone.setdefault(version.model, {})
        gone[version.number] = version
        for number in sorted(gone)[:-KEPT_STATES]:
            del gone[number]
        if version.state != "END":
            task = asyncio.create_task(version.unload())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _failed(self, name: str, number: int, folder: Path) -> bool:
        """Whether it could not be loaded a moment ago and has not changed since."""
        one = self.gone.get(name, {}).get(number)
        if one is None or not one.error or time.time() - one.ended_at > RETRY_S:
            return False
        return _changed_at(folder / "saved_model.pb") <= one.ended_at


def wanted_of(config: configs.ModelServerConfig, folder: Path) -> dict[str, Wanted]:
    """Model → what shall be served of it; a base path that is not here stands for the folder of that name beside.

    Raises:
        ArtifactError: a model without a name.
    """
    found = {}
    for one in config.model_config_list.config:
        if not one.name:
            raise ArtifactError("models.config", expected="a name for each model", received="none", remedy="one")
        policy = one.model_version_policy
        base = Path(one.base_path)
        latest = policy.latest.num_versions or 1
        found[one.name] = Wanted(
            base if one.base_path and base.is_dir() else folder / one.name,
            0 if policy.HasField("all") else latest,
            tuple(policy.specific.versions),
            dict(one.version_labels),
        )
    return found


def _require_there(name: str, wanted: Wanted) -> None:
    there = wanted.versions()
    if not there:
        raise not_found(f"No versions of servable {name} found under base path {wanted.folder}")
    for label, number in wanted.labels.items():
        if number not in there:
            words = f"Request to assign label {label} to version {number} of model {name}, which is not available"
            raise Refusal(StatusCode.FAILED_PRECONDITION, words)


def _changed_at(path: Path) -> float:
    """Seconds since 1970; of a file that is not there, infinitely long after."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _listed(folder: Path) -> Iterable[Path]:
    named = [path for path in folder.glob("[0-9]*") if path.name.isdecimal()] if folder.is_dir() else []
    return [path for path in named if len(path.name) < 4000 and int(path.name) < 2**63]  # versions are int64


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and _listed(path)]
