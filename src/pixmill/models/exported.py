"""A classifier in one file: a LiteRT network of calibrated probabilities, and its description.

The file is a LiteRT model with a zip appended, like the "associated files" of TensorFlow Lite.
Runtimes ignore the zip, and ``zipfile`` reads it. It contains ``labels.txt``, one class a line, and
``pixmill.json``.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.cells import Task
from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import write_bytes
from pixmill.heads import head_of
from pixmill.images.depth import Window
from pixmill.images.fit import Aspect, Resize
from pixmill.models.determinism import first_line
from pixmill.models.litert import Floats, Items, Network, Scorer, load_scorer
from pixmill.models.model_folder import ONE_LABEL, are_valid_labels

LABELS = "labels.txt"
DETAILS = "pixmill.json"
"""File names in the zip."""

_FORMAT = 2
_FORMAT_OF_LABELS = 3
"""Version of ``pixmill.json``; 1 had no novelty. Of several labels, another one, as versions that
do not know them would take the most probable one.
"""

_OPTIONAL = ("window", "task", "temperatures", "thresholds", "sure_yes", "sure_no")
"""Keys that are left out at their default."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""Modification time in the zip, fixed for reproducible bytes."""

_NEXT = "pixmill export"


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported classifier.

    Args:
        labels: The classes, in the order of the outputs.
        image_size: Side of the square input, in pixels.
        aspect: Method that makes an image square: ``pad``, ``crop`` or ``stretch``.
        resize: Resampling filter, as in :func:`pixmill.images.fit`.
        temperature: Temperature that the network applies, if any.
        threshold: Minimum confidence of a sure prediction, if any.
        target_accuracy: Accuracy for which the threshold was chosen.
        name: Name of the model.
        digest: Digest of the exported files.
        commit: Git commit of the exported files; ``None`` if unknown.
        metrics: Headline metrics on the test split.
        novelty_limit: Novelty above which an image is unlike the training images; ``None`` if
            unknown.
        window: See :func:`pixmill.images.decode`; ``None`` if the training images have 8 bits.
        task: What it answers, as in params.yaml.
        temperatures: Temperature of each label that the network applies, if any.
        thresholds: Probability from which each label's answer is yes; ``None`` for one label.
        sure_yes: Probability from which each yes is sure; ``None`` for one label.
        sure_no: Probability up to which each no is sure; ``None`` for one label.
    """

    labels: tuple[str, ...]
    image_size: int
    aspect: Aspect
    resize: Resize
    temperature: float | None
    threshold: float | None
    target_accuracy: float
    name: str
    digest: str
    commit: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    novelty_limit: float | None = None
    window: Window | None = None
    task: Task = ONE_LABEL
    temperatures: tuple[float, ...] | None = None
    thresholds: tuple[float, ...] | None = None
    sure_yes: tuple[float | None, ...] | None = None
    sure_no: tuple[float | None, ...] | None = None

    @property
    def calibration(self) -> dict[str, Any]:
        """Content of ``calibration.json`` for the outputs, which are calibrated already."""
        names = head_of(self.task).calibration.__dataclass_fields__
        content = {name: getattr(self, name) for name in names}
        return content | dict.fromkeys(content.keys() & {"temperature", "temperatures"})

    def as_json(self) -> str:
        """Return the text of ``pixmill.json``."""
        content = {**asdict(self), "labels": list(self.labels)}
        content["format"] = _FORMAT if self.thresholds is None else _FORMAT_OF_LABELS
        for name in _OPTIONAL:
            if content[name] in (None, ONE_LABEL):
                del content[name]
        return (
            json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
            + "\n"
        )


def write_exported(path: Path, network: bytes, description: Exported) -> None:
    """Write an exported classifier atomically; equal arguments give equal bytes.

    Args:
        path: The ``.tflite`` file.
        network: A LiteRT model that takes ``float32`` pixels from 0 to 255 of shape (1, image_size,
            image_size, 3). It returns ``float32`` calibrated probabilities of shape (1, labels)
            and, optionally, an output ``novelty`` of shape (1, 1).
        description: Labels, preprocessing and origin of the network.

    Raises:
        OSError: The file cannot be written.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        for name, text in (
            (LABELS, labels_text(description.labels)),
            (DETAILS, description.as_json()),
        ):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            # Those of Unix, for the same bytes on every system.
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            files.writestr(entry, text.encode("utf-8"))
    write_bytes(path, network + archive.getvalue())


def labels_text(labels: tuple[str, ...]) -> str:
    """Return the text of ``labels.txt``: one class a line."""
    return "".join(f"{' '.join(label.splitlines())}\n" for label in labels)


def read_exported(path: Path) -> Exported:
    """Return the description of an exported classifier without loading its network.

    Args:
        path: The ``.tflite`` file.

    Raises:
        ManifestError: The file is missing, malformed, or was not written by Pixmill.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(DETAILS)
        version = json.loads(content)["format"]
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next=_NEXT) from None
    except (zipfile.BadZipFile, IsADirectoryError, LookupError, TypeError, ValueError) as error:
        raise _not_exported(path, f"it has no readable {DETAILS}") from error
    if version not in (1, _FORMAT, _FORMAT_OF_LABELS):
        raise ManifestError(
            f"{path} was exported by another version of Pixmill: its format is "
            f"{str(version)[:20]!r}, this version reads 1 to {_FORMAT_OF_LABELS}",
            next=f"export it again with this version: {_NEXT}",
        )
    malformed = _not_exported(path, f"its {DETAILS} is not as Pixmill writes it")
    try:
        found = TypeAdapter(Exported).validate_json(content, strict=True)
    except ValidationError as error:
        raise malformed from error
    if not _is_consistent(found, several=version == _FORMAT_OF_LABELS):
        raise malformed
    # Earlier versions wrote a threshold of 0 for "all are sure".
    return replace(found, threshold=found.threshold or None)


def _is_consistent(found: Exported, *, several: bool) -> bool:
    sizes = {len(values or ()) for values in (found.thresholds, found.sure_yes, found.sure_no)}
    return (
        are_valid_labels(found.labels)
        and len(found.labels) >= 2 - several
        and sizes == {several * len(found.labels)}
        and several == (found.task != ONE_LABEL)
    )


def load_exported(
    path: Path, *, threads: int | None = None
) -> tuple[Exported, Network, Scorer | None]:
    """Return an exported classifier's description, network, and novelty scorer, if any.

    The network takes pixels and returns finite logits of the calibrated probabilities.

    Args:
        path: The ``.tflite`` file.
        threads: Threads of LiteRT, which do not affect the outputs. Default: one per processor, at
            most 8.

    Raises:
        ManifestError: The file is missing, malformed or not written by Pixmill, or its network does
            not match its description.
    """
    description = read_exported(path)
    try:
        run, scorer = load_scorer(path, threads=threads)
        found = run(np.zeros((1, description.image_size, description.image_size, 3), np.uint8))
    except (OSError, RuntimeError, ValueError) as error:
        reason = first_line(error)[:300]
        raise _not_exported(path, f"its network cannot be run: {reason}") from error
    if found.shape != (1, len(description.labels)) or not (
        np.all(found >= 0) and 0 < found.sum() < math.inf
    ):
        raise _not_exported(
            path, f"its network does not return {len(description.labels)} probabilities"
        )

    head = head_of(description.task)

    def logits(probabilities: Floats) -> Floats:
        return head.logits(probabilities).astype(np.float32)

    def score(pixels: Items) -> tuple[Floats, Floats]:
        assert scorer is not None
        probabilities, novelty = scorer(pixels)
        return logits(probabilities), novelty

    return description, lambda pixels: logits(run(pixels)), score if scorer else None


def _not_exported(path: Path, reason: str) -> ManifestError:
    return ManifestError(f"{path} is not a model that Pixmill exported: {reason}", next=_NEXT)
