"""A classifier in one file: a LiteRT network whose outputs are calibrated probabilities, and what belongs to it.

The file is a plain LiteRT model with a zip appended, as TensorFlow Lite's "associated files": every runtime ignores
it, and ``zipfile`` reads it. It holds ``labels.txt``, one class a line, and ``pixmill.json``.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import write_bytes
from pixmill.images import ASPECTS, RESIZES
from pixmill.models.litert import Judge, Network, head_of, load_outputs
from pixmill.models.model_folder import are_labels

if TYPE_CHECKING:
    from pixmill.images.fit import Aspect, Resize

LABELS, DETAILS = "labels.txt", "pixmill.json"
"""Names of the files in the zip."""

_FORMAT = 2
"""1 had no novelty."""

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Modification time in the zip, so that equal contents give equal bytes."""

_SMALLEST = float(np.finfo(np.float32).tiny)
"""Minimum probability in logarithms."""

_NEXT = "pixmill export"


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported classifier.

    Args:
        labels: The classes, in the order of the outputs.
        image_size: Side of the square input, in pixels.
        aspect: How an image becomes square: ``pad``, ``crop`` or ``stretch``.
        resize: The resampling filter, as in :func:`pixmill.images.fit`.
        temperature: The temperature that the network applies; ``None``: none.
        threshold: The minimum confidence of a sure prediction; ``None``: there is none.
        target_accuracy: The accuracy for which the threshold was chosen.
        name: The model's name.
        digest: The digest of the files that it was exported from.
        commit: Their Git commit; ``None`` if unknown.
        metrics: Its headline metrics on the test split.
        novelty_limit: The novelty above which an image is unlike the training images; ``None``: it is not known.
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

    def as_json(self) -> str:
        """Return the text of ``pixmill.json``: the same for equal descriptions."""
        content = {**asdict(self), "labels": list(self.labels), "format": _FORMAT}
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_exported(path: Path, network: bytes, description: Exported) -> None:
    """Write an exported classifier, at once or not at all; equal arguments give equal bytes.

    Args:
        path: The ``.tflite`` file.
        network: The LiteRT model: takes ``float32`` pixels of shape (1, image_size, image_size, 3) from 0 to 255,
            returns ``float32`` calibrated probabilities of shape (1, classes) and, as another output named ``novelty``,
            that of shape (1, 1).
        description: What else belongs to it.

    Raises:
        OSError: The file cannot be written.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        for name, text in ((LABELS, labels_text(description.labels)), (DETAILS, description.as_json())):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, on every system
            files.writestr(entry, text.encode("utf-8"))
    write_bytes(path, network + archive.getvalue())


def labels_text(labels: tuple[str, ...]) -> str:
    """Return the text of ``labels.txt``: one class a line."""
    return "".join(f"{' '.join(label.splitlines())}\n" for label in labels)


def read_exported(path: Path) -> Exported:
    """Return the description of an exported classifier; the network itself is not loaded.

    Args:
        path: The ``.tflite`` file.

    Raises:
        ManifestError: The file is missing, malformed, or was not written by Pixmill.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(DETAILS))
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next=_NEXT) from None
    except (zipfile.BadZipFile, IsADirectoryError, KeyError, ValueError) as error:
        raise _foreign(path, f"it has no readable {DETAILS}") from error
    if isinstance(content, dict) and content.get("format") not in (None, 1, _FORMAT):
        raise ManifestError(
            f"{path} has format {str(content['format'])[:20]!r}, which another version of Pixmill wrote; this one "
            f"reads 1 and {_FORMAT}",
            next=f"export it again with this version: {_NEXT}",
        )
    match content:
        case {"labels": [_, _, *_] as labels, "image_size": int(), "aspect": aspect, "resize": resize, "format": _}:
            names = {each.name for each in fields(Exported)}
            given = {name: value for name, value in content.items() if name in names}
            if are_labels(labels) and aspect in ASPECTS and resize in RESIZES:
                with contextlib.suppress(TypeError):  # One is missing.
                    # A threshold of 0 stood for "all are sure" in earlier versions.
                    return Exported(**{**given, "labels": tuple(labels), "threshold": given.get("threshold") or None})
    raise _foreign(path, f"its {DETAILS} is not as Pixmill writes it")


def load_exported(path: Path, *, threads: int | None = None) -> tuple[Exported, Network, Judge | None]:
    """Return an exported classifier's description, its network, and its judge if it tells the novelty.

    The network takes pixels, and returns logarithms of the probabilities. These are finite, and their softmax gives the
    probabilities back: no temperature is left to apply.

    Args:
        path: The ``.tflite`` file.
        threads: Threads of LiteRT, which do not affect the outputs; default: one per processor, at most 8.

    Raises:
        ManifestError: The file is missing, malformed, or was not written by Pixmill, or its network does not take
            such pixels or does not return one probability for each class.
    """
    description = read_exported(path)
    try:
        run, judge = head_of(*load_outputs(path, threads=threads))
        found = run(np.zeros((1, description.image_size, description.image_size, 3), np.uint8))
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise _foreign(path, f"its network cannot be run: {reason}") from error
    if found.shape != (1, len(description.labels)) or not (np.all(found >= 0) and 0 < found.sum() < math.inf):
        raise _foreign(path, f"its network does not return {len(description.labels)} probabilities")

    def logarithms(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.log(np.maximum(probabilities, _SMALLEST)).astype(np.float32)

    def judged(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        assert judge is not None
        probabilities, novelty = judge(pixels)
        return logarithms(probabilities), novelty

    return description, lambda pixels: logarithms(run(pixels)), judged if judge else None


def _foreign(path: Path, reason: str) -> ManifestError:
    return ManifestError(f"{path} is not a model that Pixmill exported: {reason}", next=_NEXT)
