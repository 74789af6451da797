"""Status of each stage: fresh, stale with its reasons, failed or running.

DVC is not started and its lock is not taken, because holding the lock would make a running ``dvc
repro`` fail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.errors import PixmillError
from pixmill.core.params import load_params
from pixmill.core.params.document import flat, value_at
from pixmill.core.process.progress import StageProgress, last_seconds, read_progress
from pixmill.core.provenance.lock import FILE
from pixmill.core.repository.documents import MalformedError, read_stages, read_yaml
from pixmill.core.repository.dvc import is_dvc_locked, running_dvc
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.core.repository.stage_inputs import Stages, data_md5, hashes_of
from pixmill.core.words import describe_seconds, printable

Status = Literal["fresh", "stale", "never run", "failed", "running", "unknown"]

Kind = Literal["command", "param", "code", "dependency", "stage", "output", "figures"]

_ABSENT = object()

_CODE = ("src/", "stages/")

IN_GIT = ("metrics/", "plots/")
"""Path prefixes of outputs that are in Git instead of DVC's cache."""

SETTLED_SECONDS = 0.25
"""Minimum age of ``dvc.lock`` while DVC runs; DVC takes milliseconds to write it."""

_USUAL_SECONDS = {
    "scrape": (4, 0.002),
    "validate": (8, 0.01),
    "split": (12, 0.01),
    "train": (45, 0.08),
    "evaluate": (14, 0.015),
}
"""Duration of a first run with features of bundled networks on two cores: seconds, and seconds an
image.
"""

_BUNDLED = {"efficientnet_lite0", "efficientnet_lite2"}

_LEAST_SHARE = 0.1
"""Share of a run from which the time left is shown."""

MAX_VALUE_CHARS = 40
"""Characters shown of a param's value."""


@dataclass(frozen=True)
class Reason:
    """A difference between a stage's results and its current inputs.

    Args:
        kind: ``stage``: an earlier stage has to run first. ``output``: a result is missing or not
            that of the last run. ``figures``: the same for a result in Git. The others name the
            input that changed.
        name: Dotted name of the param, path, or stage.
        text: The reason as a clause, such as ``split.val is now 0.2, was 0.15``.
    """

    kind: Kind
    name: str
    text: str


@dataclass(frozen=True)
class StageState:
    """The state of a stage.

    Args:
        name: Name of the stage.
        status: ``fresh``: its results match the current images, params and code. ``stale``: they do
            not. ``failed``: it exited with an error, was killed or was stopped by its gate.
            ``unknown``: only `dvc status` can evaluate its definition.
        reasons: Why it is not fresh, the cause first.
        progress: Progress, or the last progress before it ended; ``None`` if unknown.
        error: Error message if it failed; empty if unknown.
        seconds: Duration of its last complete run, without work whose results are kept; ``None`` if
            unknown.
        usual: Duration of a first run with so many images, for stages that have none; ``None`` if
            unknown.
    """

    name: str
    status: Status
    reasons: tuple[Reason, ...] = ()
    progress: StageProgress | None = None
    error: str = ""
    seconds: float | None = None
    usual: float | None = None

    @property
    def is_missing(self) -> bool:
        """Whether only its outputs are missing or outdated, as in a fresh clone."""
        return self.status == "stale" and all(reason.kind == "output" for reason in self.reasons)

    @property
    def text(self) -> str:
        """The state in a few words."""
        if self.status == "running":
            doing = self.progress.describe() if self.progress else ""
            return f"running{f' ({doing})' if doing else ''}"
        if self.status == "failed":
            return self.error.partition("\n")[0]
        if self.status == "stale":
            more = len(self.reasons) - 1
            return self.reasons[0].text + (f", and {more} more" if more else "")
        return "up to date" if self.status == "fresh" else self.status


@dataclass(frozen=True)
class RunProgress:
    """How far a run of the pipeline is.

    Args:
        text: Such as ``Train, stage 4 of 5, about 40 s left. Decode: 120 of 1,250 images``.
        share: Share of the work that is done, by the durations of the last runs.
    """

    text: str
    share: float


def read_run(stages: Sequence[StageState], now: float) -> RunProgress | None:
    """Return how far the run of the pipeline is; ``None`` if no stage runs.

    Args:
        stages: The state of each stage.
        now: The time in seconds since 1970.
    """
    number = next((n for n, stage in enumerate(stages) if stage.status == "running"), None)
    if number is None:
        return None
    running = stages[number]
    later = [stage for stage in stages[number + 1 :] if stage.status != "fresh"]
    text = f"{running.name.capitalize()}, stage {number + 1} of {len(stages)}"
    progress = running.progress
    if progress is None:  # Before and after the stage's process, DVC reads and stores files.
        return RunProgress(text, 0.0)
    left = _left(running, progress, now)
    rest = [stage.seconds or stage.usual for stage in later]
    done = sum(filter(None, (stage.seconds or stage.usual for stage in stages[:number])))
    done += now - progress.started
    share = 0.0
    if left is not None and None not in rest:
        left += sum(filter(None, rest))
        share = done / (done + left)
        if left >= 1 and share >= _LEAST_SHARE:
            text += f", about {describe_seconds(left)} left"
    if doing := progress.describe():
        text += f". {doing}"
    return RunProgress(text, share)


def _left(stage: StageState, progress: StageProgress, now: float) -> float | None:
    """Return the seconds until a stage ends; ``None`` if unknown.

    By its last duration, or the rate of the current work where that is longer. Work whose results
    are kept comes on top, unless the duration is that of a first run.
    """
    work = progress.work_left(now)
    if stage.seconds is not None:
        own = max(0.0, stage.seconds - progress.own_seconds(now))
        if progress.is_kept:
            return None if work is None else own + work
        return max(own, work or 0.0)
    if stage.usual is not None:
        return max(0.0, stage.usual - (now - progress.started), work or 0.0)
    return work


@dataclass(frozen=True)
class StageDefinition:
    """A stage of ``dvc.yaml``.

    Args:
        name: Name of the stage.
        command: Command or commands; ``None`` if only DVC can evaluate the stage, such as with
            ``foreach``, ``${...}`` or ``frozen``.
        deps: Input files and folders.
        params: Param keys by file; no key means the whole file.
        outs: Output files and folders.
    """

    name: str
    command: Any
    deps: tuple[str, ...] = ()
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    outs: tuple[str, ...] = ()


def read_stage_states(root: Path, hashes: FileHashes) -> list[StageState]:
    """Return the state of each stage in the order of ``dvc.yaml``.

    Args:
        root: Project folder.
        hashes: Hashes of its files; none may have been read yet.

    Raises:
        MalformedError: ``dvc.yaml``, ``dvc.lock`` or a params file is malformed; the message begins
            with its name.
    """
    reader = _StageReader(root, hashes)
    is_usual = _is_usual(root)
    images = len(hashes.files("data"))
    states = []
    for name in reader.definitions:
        last = last_seconds(root / ".pixmill/progress", name)
        usual = None if last or not is_usual else usual_seconds(name, images)
        states.append(replace(reader.state(name), seconds=last and last[1], usual=usual))
    return states


def _is_usual(root: Path) -> bool:
    """Return whether a project is such that :func:`usual_seconds` holds."""
    try:
        params = load_params(root)
    except (PixmillError, OSError):
        return False
    networks = {network.name for network in params.train.backbone.networks}
    is_bundled = params.train.model == "features" and networks <= _BUNDLED
    return is_bundled and {*params.sources()} <= {"folder", "shop"}


def usual_seconds(stage: str, images: int) -> float | None:
    """Return how long the first run of a stage takes on two cores; ``None`` if unknown.

    Args:
        stage: Its name.
        images: Number of images.
    """
    fixed, each = _USUAL_SECONDS.get(stage, (0.0, 0.0))
    return fixed + each * images or None


class _StageReader:
    """Reads the states of all stages at one point in time."""

    def __init__(self, root: Path, hashes: FileHashes) -> None:
        self._root = root
        self._hashes = hashes
        here = root.resolve()
        found = read_progress(root / ".pixmill/progress")
        self._progress = {each.stage: each for each in found if Path(each.root) == here}
        # Before hashing: a stage that starts in between removes its outputs.
        self._written = {path for command in running_dvc(root) for path in command.writes}
        self._lock: Stages = _named("dvc.lock", lambda: read_stages(_read_lock(root)))
        self._document = cache(
            lambda file: _named(file, lambda: read_yaml(_bytes(root / file), file))
        )
        self.definitions = _define(self._document("dvc.yaml"))
        self._makers = {out: name for name, stage in self.definitions.items() for out in stage.outs}
        self._states: dict[str, StageState] = {}

    def state(self, name: str) -> StageState:
        """Return the state of a stage, after those of its dependencies."""
        if name not in self._states:
            self._states[name] = StageState(name, "unknown")  # ends cycles
            self._states[name] = self._state(self.definitions[name])
        return self._states[name]

    def _state(self, stage: StageDefinition) -> StageState:
        if stage.command is None:
            return StageState(stage.name, "unknown")
        progress = self._progress.get(stage.name)
        if progress and progress.is_running:
            return StageState(stage.name, "running", progress=progress)
        if self._written & {*stage.outs}:
            return StageState(stage.name, "running")
        reasons = tuple(self._reasons(stage))
        if stage.name in self._lock and not reasons:
            return StageState(stage.name, "fresh")
        status: Status = "stale" if stage.name in self._lock else "never run"
        lacks_results = any(reason.kind in ("output", "figures") for reason in reasons)
        if progress is None or (status == "stale" and not lacks_results):
            return StageState(stage.name, status, reasons)  # The previous results were restored.
        error = "it was killed" if progress.failed is None else progress.failed
        return StageState(stage.name, "failed", reasons, progress, error)

    def _maker(self, path: str) -> str | None:
        """Return the stage that writes a path; ``None`` if no stage does."""
        for out, name in self._makers.items():
            if path == out or path.startswith(f"{out}/"):
                return name
        return None

    def _reasons(self, stage: StageDefinition) -> Iterator[Reason]:
        locked = self._lock.get(stage.name)
        for name in filter(None, dict.fromkeys(map(self._maker, stage.deps))):
            before = self.state(name)
            if before.status not in ("fresh", "unknown") and not before.is_missing:
                yield Reason("stage", name, f"{name} has to run first")
        if locked is None:
            return
        if stage.command != locked.get("cmd"):
            yield Reason("command", stage.name, "its command in dvc.yaml changed")
        yield from self._params(stage, locked.get("params") or {})
        yield from self._deps(stage, hashes_of(locked, "deps"))
        recorded = hashes_of(locked)
        for path in stage.outs:
            md5 = self._hashes.md5(path)
            if md5 is None or md5 != recorded.get(path):
                kind: Kind = "figures" if path.startswith(IN_GIT) else "output"
                problem = "is missing" if md5 is None else "differs from the last run"
                yield Reason(kind, path, f"{path} {problem}")

    def _params(
        self, stage: StageDefinition, recorded: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Reason]:
        for file, keys in stage.params:
            now = self._document(file)
            before = recorded.get(file, {})
            for key in keys or {**now, **before}:
                for name, old, new in _differences(
                    key, before.get(key, _ABSENT), value_at(now, key, _ABSENT)
                ):
                    if file == FILE:
                        yield Reason("code", name, "Pixmill's code changed")
                    else:
                        where = "" if file == "params.yaml" else f" in {file}"
                        yield Reason("param", name, f"{name}{where} {_change(old, new)}")

    def _deps(self, stage: StageDefinition, recorded: Mapping[str, str | None]) -> Iterator[Reason]:
        for path in stage.deps:
            maker = self._maker(path)
            made = None if maker is None else hashes_of(self._lock.get(maker, {})).get(path)
            if maker is not None and (made is not None or self.state(maker).status != "fresh"):
                # The state of that stage covers the file itself.
                is_another = made is not None and made != recorded.get(path, made)
                if is_another and self.state(maker).status in ("fresh", "stale"):
                    yield Reason("dependency", path, f"{maker} has rewritten {path} since")
            elif path not in recorded:
                yield Reason("dependency", path, f"{path} is a new dependency in dvc.yaml")
            elif (md5 := self._hashes.md5(path)) != recorded[path]:
                yield self._changed(path, md5, recorded[path])

    def _changed(self, path: str, md5: str | None, recorded: str | None) -> Reason:
        """Return the reason of a dependency with another hash than recorded."""
        if path == "data":
            if md5 is None and self._recorded_data() == recorded:
                return Reason("output", path, "data/ is missing")
            return Reason("dependency", path, "the images in data/ changed")
        if path == DECISIONS:
            return Reason("dependency", path, "labels and decisions changed")
        kind: Kind = "code" if path.startswith(_CODE) else "dependency"
        return Reason(kind, path, f"{path} {'changed' if md5 else 'is missing'}")

    def _recorded_data(self) -> str | None:
        content = _bytes(self._root / "data.dvc")
        md5: str | None = _named("data.dvc", lambda: data_md5(content))
        return md5


def _differences(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each differing value as dotted name, old value and new value."""
    was, now = (flat({} if value is _ABSENT else {name: value}) for value in (old, new))
    keys = {**was, **now}
    for key in keys:
        before = was.get(key, _ABSENT)
        after = now.get(key, _ABSENT)
        # A section that was or is empty differs by the keys below it.
        if before != after and not any(other.startswith(f"{key}.") for other in keys):
            yield key, before, after


def _change(old: Any, new: Any) -> str:
    if new is _ABSENT:
        return "was removed"
    if old is _ABSENT or isinstance(old, dict | list) or isinstance(new, dict | list):
        return "changed"
    now, was = (
        printable(json.dumps(value, ensure_ascii=False, default=str))[:MAX_VALUE_CHARS]
        for value in (new, old)
    )
    return f"is now {now}, was {was}"


def _read_lock(root: Path) -> bytes:
    """Read ``dvc.lock``, which DVC truncates and rewrites after each stage."""
    path = root / "dvc.lock"
    while True:
        content = _bytes(path)
        if not (
            path.exists()
            and 0 <= time.time() - path.stat().st_mtime < SETTLED_SECONDS
            and is_dvc_locked(root)
        ):
            return content
        time.sleep(SETTLED_SECONDS / 5)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _named(file: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except MalformedError as fault:
        raise MalformedError(f"{file} {fault}") from None


def _define(document: Mapping[str, Any]) -> dict[str, StageDefinition]:
    """Return the stages of a ``dvc.yaml`` in order, by name."""
    try:
        return {
            str(name): _definition(str(name), stage)
            for name, stage in (document.get("stages") or {}).items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise MalformedError(f"dvc.yaml is malformed: {error}") from None


def _definition(name: str, stage: Mapping[str, Any]) -> StageDefinition:
    if _is_template(stage):
        return StageDefinition(name, None)
    outs = [
        _path(entry) for kind in ("outs", "metrics", "plots") for entry in stage.get(kind) or ()
    ]
    deps = [_path(entry) for entry in stage.get("deps") or ()]
    params = _params_of(stage)
    if any(file.endswith((".py", ".toml")) for file in params):  # DVC parses all others as YAML.
        return StageDefinition(name, None)
    return StageDefinition(name, stage.get("cmd"), tuple(deps), tuple(params.items()), tuple(outs))


def _is_template(stage: Mapping[str, Any]) -> bool:
    """Return whether DVC alone can tell what a stage depends on, or never runs it."""
    has_unknown = any(stage.get(key) for key in ("foreach", "matrix", "wdir", "frozen"))
    return has_unknown or "${" in str(stage)


def _params_of(stage: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the params that a stage depends on, by file; none: the whole file."""
    params: dict[str, tuple[str, ...]] = {}
    for entry in stage.get("params") or ():
        files = entry if isinstance(entry, dict) else {"params.yaml": [entry]}
        for file, keys in files.items():
            params[file] = (*params.get(file, ()), *map(str, keys or ()))
    return params


def _path(entry: Any) -> str:
    """Return the path of an entry in ``deps`` or ``outs``, without its options."""
    (path,) = [entry] if isinstance(entry, str) else entry
    return str(path)
