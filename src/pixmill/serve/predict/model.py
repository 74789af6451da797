"""Find a model: the project's own, a folder, an exported file, or one in MLflow."""

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any

from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest, read_json
from pixmill.core.install.pyproject import read_project
from pixmill.core.process.progress import announce
from pixmill.core.repository.git import GitError, git
from pixmill.core.repository.stage_inputs import evaluates_trained, is_committed, workspace_stages
from pixmill.core.words import count, percent, printable
from pixmill.dataset.uncommitted import commit_first
from pixmill.heads import Head, head_of
from pixmill.metrics.calibration import calibration_verdict, min_answers
from pixmill.metrics.prior_shift import PriorShift
from pixmill.models.exported import read_exported
from pixmill.models.model_folder import ONE_LABEL, classifier_files, read_description
from pixmill.tracking.model_versions import Registry

TRAINED = Path("artifacts", "train")
"""Folder of the model that was trained last, in the project's folder."""

_EXPORTED = "model.tflite"

_MAX_CACHED = 3
"""Models of MLflow that are cached in ``.pixmill/``, most recently used first."""

IN_MLFLOW = ("models:", "runs:")
"""Prefixes of the names of models in MLflow."""


@dataclass(frozen=True)
class Model:
    """Metadata of a model; the network is not loaded.

    Args:
        path: Path for :meth:`pixmill.models.Classifier.load`.
        name: Name of the project, the registered model, the run, the file or the folder.
        version: Version in MLflow's registry; ``None`` elsewhere.
        digest: The sha256 of the files that decide its predictions.
        labels: Classes in the order of the outputs.
        image_size: Side to which images are resized, in pixels.
        threshold: Confidence from which predictions are sure; ``None`` if there is none.
        commit: Git commit that recorded the model; ``None`` if unknown.
        committed: Time of this commit, in seconds since 1970; ``None`` if unknown.
        promoted: Time when its version was registered, in seconds since 1970; ``None`` elsewhere.
        metrics: Headline metrics on the test split, as in ``metrics/evaluate.json``; empty if
            unknown.
        target_accuracy: Accuracy that the threshold was to show.
        in_production: Whether it was found as the project's model in production.
        task: What it answers, as in params.yaml.
        limits: ``threshold``, ``sure_yes`` and ``sure_no`` by label; ``None`` if an image has one.
        shift: Classes and shares that it predicts with; ``None``: those that it was trained with.
    """

    path: Path
    name: str
    version: str | None
    digest: str
    labels: tuple[str, ...]
    image_size: int
    threshold: float | None
    commit: str | None = None
    committed: float | None = None
    promoted: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    target_accuracy: float = 0.95
    in_production: bool = False
    task: str = ONE_LABEL
    limits: dict[str, dict[str, float | None]] | None = None
    shift: PriorShift | None = None

    @property
    def head(self) -> Head:
        """What it answers."""
        return head_of(self.task)

    @property
    def is_ever_sure(self) -> bool:
        """Whether some of its answers are sure."""
        limits = (self.limits or {}).values()
        return bool(self.threshold) or any(each["sure_yes"] or each["sure_no"] for each in limits)

    @property
    def doubt(self) -> str:
        """Why an answer of it is not sure."""
        if self.limits:
            return "the promised accuracy does not hold for the least certain label, which the share is of"
        return f"the confidence is below the model's threshold of {percent(self.threshold or 0)}"

    @property
    def title(self) -> str:
        """Which model it is, such as ``garments version 2, in production``."""
        version = "" if self.version is None else f" version {self.version}"
        return f"{printable(self.name)}{version}{', in production' * self.in_production}"

    @property
    def cautions(self) -> list[str]:
        """Warnings about the model's confidence, with remedies."""
        found = []
        measured = self.metrics
        there = " for these classes and shares" if self.shift else ""
        more = "add images, or "
        if self.shift:  # where more of the same would not do, no number is known
            missing = self.shift.missing
            more = f"add about {count(missing, 'image')} with these shares, or " if missing else ""
        if not self.is_ever_sure:
            found.append(
                f"The model has no confidence threshold{there}, so it calls no prediction sure or "
                f"not sure. To show an accuracy of {100 * self.target_accuracy:g} %, at least "
                f"{min_answers(self.target_accuracy)} confident predictions of labelled images "
                f"that it was not trained on must be correct: {more}lower "
                "train.target_accuracy, then: dvc repro"
            )
        if "confidence" in measured and calibration_verdict(measured) in (
            "overconfident",
            "underconfident",
        ):
            mean, accuracy = (percent(measured[name]) for name in ("confidence", "accuracy"))
            found.append(
                f"Its mean confidence of {mean} on the test images does not fit its accuracy of "
                f"{accuracy}: do not read its confidence as the probability of being correct."
            )
        return found

    @property
    def identity(self) -> dict[str, str | None]:
        """Name, version and digest."""
        return {"name": self.name, "version": self.version, "digest": self.digest}

    @property
    def key(self) -> str:
        """Digest of what decides its answers, with the classes and shares that it predicts with."""
        return hashlib.sha256(f"{self.digest} {self.shift}".encode()).hexdigest()

    @property
    def about(self) -> dict[str, Any]:
        """Identity and labels, for logs; ready for JSON."""
        return {**self.identity, "labels": self.labels}

    @property
    def facts(self) -> dict[str, Any]:
        """What pages show of it, ready for JSON."""
        return {
            **self.identity,
            "promoted": self.promoted,
            "commit": self.commit,
            "committed": self.committed,
            "classes": self.labels,
            "threshold": self.threshold,
            "cautions": self.cautions,
            "image_size": self.image_size,
            "metrics": self.metrics,
            **({"labels": self.limits} if self.limits else {}),
        }


def find_model(spec: str | None, root: Path | None) -> Model:
    """Return the model with a name.

    Args:
        spec: A classifier's folder, an exported ``.tflite`` file or its folder, or a model in
            MLflow: ``models:/<name>/<version>``, ``models:/<name>@<alias>``, ``models:/<model id>``
            or ``runs:/<run id>``. ``None``: the project's model in production, or if there is none,
            the one that was trained last.
        root: Project folder; ``None`` outside of a project.

    Raises:
        PixmillError: There is no such model, Pixmill did not make it, or MLflow does not respond.
    """
    if spec is not None and spec.startswith(IN_MLFLOW):
        return _find_recorded(spec, root)
    if spec is None and root is None:
        raise PixmillError(
            f"{Path.cwd()} is not in a project, so there is no default model",
            next="cd to the project's folder, or name a model: --model FOLDER, FILE.tflite or "
            "models:/NAME@ALIAS",
        )
    if spec is None:
        return _find_default(Path(root or ""))
    path = Path(spec)
    if path.suffix == ".tflite" and not path.is_dir():
        return _from_file(path)
    return _find_in_folder(path)


def _find_default(root: Path) -> Model:
    place = root / TRAINED
    registry = Registry(_workspace(root))
    other = f"the model that was trained last: --model {quote(os.path.relpath(place))}"
    try:
        number = registry.champion()
        if number is not None:
            found = _find_recorded(f"models:/{registry.name}/{number}", root)
    except PixmillError as error:
        raise PixmillError(error.message, next=f"{error.next}; or take {other}") from error
    if number is None:
        return _find_in_folder(place)
    promoted = replace(found, in_production=True)
    with contextlib.suppress(PixmillError):
        own = _find_in_folder(place)
        if own.digest == found.digest:
            # This folder has what MLflow lacks: the weights, and what similar images are found by.
            return replace(promoted, path=own.path, metrics=own.metrics)
    _announce_once(f"Model: {promoted.title}. To take {other}")
    return promoted


@cache
def _announce_once(line: str) -> None:
    """Print a line; the page asks for the model again and again."""
    announce(line)


def _find_in_folder(path: Path) -> Model:
    project = path.resolve().parent.parent
    is_trained = path.resolve() == project / TRAINED
    if (path / "labels.json").exists():
        if not is_trained:
            return _from_folder(path, name=path.resolve().name)
        name = read_project(project).name or project.name
        commit, committed = _commit(project)
        return _from_folder(
            path, name, commit=commit, committed=committed, metrics=_metrics(project)
        )
    if (path / _EXPORTED).exists():
        return _from_file(path / _EXPORTED)
    advice = "name a copy of artifacts/train, an exported .tflite file, or models:/NAME@ALIAS"
    if is_trained and (project / "dvc.yaml").exists():
        advice = f"dvc repro, or for what a colleague pushed: {commit_first(project, 'dvc pull')}"
    problem = "is not a model" if path.exists() else "does not exist"
    if path.is_dir():
        problem = "holds no model: labels.json is missing"
    raise PixmillError(f"{path} {problem}", next=advice)


def current_version(spec: str | None, root: Path | None = None) -> str:
    """Return what a name points to: a version or id in MLflow, or the digest of a folder or file.

    Nothing is downloaded, so it may be called every few seconds.

    Args:
        spec: As for :func:`find_model`.
        root: Project folder, whose database is the default store; default: the current folder.

    Raises:
        PixmillError: As for :func:`find_model`.
    """
    from pixmill.tracking.model_lookup import resolve

    if spec is None and root is not None:
        number = Registry(_workspace(root)).champion()
        if number is not None:
            return str(number)
    if spec is None or not spec.startswith(IN_MLFLOW):
        return find_model(spec, root).digest
    found = resolve(spec, _workspace(root))
    return found.version or found.key


def _find_recorded(spec: str, root: Path | None) -> Model:
    from pixmill.tracking.model_lookup import fetch, resolve

    workspace = _workspace(root)
    found = resolve(spec, workspace)
    if root is None:
        folder = Path(tempfile.mkdtemp(prefix="pixmill-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    else:
        folder = workspace.scratch("predict") / "models"
    files = fetch(found, folder / found.key)
    # The project may be read-only, or another process may clean up.
    with contextlib.suppress(OSError):
        os.utime(files)
        for old in sorted(folder.iterdir(), key=os.path.getmtime)[:-_MAX_CACHED]:
            # Renamed first: the cache must not hold an incomplete model.
            shutil.rmtree(old.rename(folder / f".old-{old.name}"))
    return _from_folder(
        files,
        found.name,
        version=found.version,
        promoted=found.promoted,
        commit=found.commit,
        metrics=found.metrics,
    )


def _workspace(root: Path | None) -> Workspace:
    return Workspace.current() if root is None else Workspace(root, root)


def _from_folder(folder: Path, name: str, *, version: str | None = None, **more: Any) -> Model:
    description = read_description(folder)
    calibration = read_json(folder / "calibration.json", stage="train")
    return Model(
        path=folder,
        name=name,
        version=version,
        digest=folder_digest(folder),
        labels=tuple(description["labels"]),
        image_size=description["image_size"],
        threshold=calibration.get("threshold") or None,
        task=description["task"],
        limits=head_of(description["task"]).limits(calibration, description["labels"]),
        target_accuracy=calibration.get("target_accuracy", 0.95),
        **more,
    )


def _from_file(path: Path) -> Model:
    known = read_exported(path)
    return Model(
        path=path,
        name=known.name,
        version=None,
        digest=file_digest(path),
        labels=known.labels,
        image_size=known.image_size,
        threshold=known.threshold,
        task=known.task,
        limits=head_of(known.task).limits(known.calibration, known.labels),
        commit=known.commit,
        metrics=dict(known.metrics),
        target_accuracy=known.target_accuracy,
    )


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of all files of a classifier, with their names.

    Raises:
        PixmillError: One is missing.
    """
    names = classifier_files(folder)
    missing = next((name for name in names if not (folder / name).exists()), None)
    if missing is not None:
        raise PixmillError(
            f"{folder / missing} is missing", next="copy all files of artifacts/train"
        )
    lines = [f"{name} {file_digest(folder / name)}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _commit(project: Path) -> tuple[str | None, float | None]:
    """Return the commit that last changed ``dvc.lock``, and its time.

    ``None`` if the file has uncommitted changes, or Git fails.
    """
    found = None
    try:
        if is_committed(project, "dvc.lock"):
            found = git(project, "log", "-1", "--format=%H %ct", "--", "dvc.lock")
    except GitError as error:
        announce(f"note: the model's commit is unknown. {error}")
    commit, _, time = (found or "").strip().partition(" ")
    return (commit, float(time)) if commit else (None, None)


def _metrics(project: Path) -> dict[str, float]:
    """Return the headline metrics; empty if they are of another training."""
    try:
        stages = workspace_stages(project)
        metrics = json.loads((project / "metrics" / "evaluate.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, ParamsError):
        return {}
    if not evaluates_trained(stages):
        return {}
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
