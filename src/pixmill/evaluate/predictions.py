"""Predictions for every image, from which all metrics are computed, and for unlabelled images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.compute import Limits, map_batches
from pixmill.core.errors import DataError
from pixmill.core.files import target_within
from pixmill.core.progress import Progress, track
from pixmill.images import Undecodable, read_image
from pixmill.images.parts import Part
from pixmill.learn.classifier import Classifier, Prediction, Preprocessing
from pixmill.metrics.probabilities import losses

__all__ = [
    "class_indices",
    "predict_parts",
    "predict_unlabelled",
    "predictions_schema",
    "probabilities_of",
    "unlabelled_folder",
    "unlabelled_schema",
]

_BATCH = 64
"""Images per batch."""

_LIMITS = Limits(seconds=20, memory=1 << 30)
"""Limits on decoding one image: validate's defaults."""


def predictions_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of ``predictions.parquet``.

    ``predicted`` is the class with the highest probability; ``p_<class>`` each class's probability before
    calibration; ``loss`` the cross-entropy in nats.

    Args:
        labels: The classes in the order of the model's outputs.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
            pa.field("label", pa.string(), nullable=False),
            pa.field("predicted", pa.string(), nullable=False),
            *(pa.field(f"p_{label}", pa.float32(), nullable=False) for label in labels),
            pa.field("loss", pa.float64(), nullable=False),
        ]
    )


def predict_parts(
    classifier: Classifier, parts: Iterable[Part], features: npt.NDArray[np.float32] | None = None
) -> pd.DataFrame:
    """Return one row per image of all splits, sorted by id, with the columns of :func:`predictions_schema`.

    Args:
        classifier: The model; the table holds its uncalibrated probabilities.
        parts: The packed splits.
        features: The backbone's features of the splits in turn, which give the same bytes as the pixels; default: the
            pixels are read.
    """
    names, parts, tables = np.asarray(classifier.labels, dtype=object), list(parts), []
    first = 0
    with Progress("Predict", sum(map(len, parts))) as progress:
        for part in parts:
            batches = []
            for start in range(0, len(part), _BATCH):
                rows = slice(start, min(start + _BATCH, len(part)))
                if features is None:
                    batches.append(classifier.uncalibrated(part.pixels[rows]))
                else:
                    batches.append(classifier.from_features(features[first + rows.start : first + rows.stop]))
                progress.advance(len(batches[-1]))
            first += len(part)
            given = np.concatenate(batches)
            columns = {
                "id": part.rows["id"],
                "split": part.name,
                "label": part.rows["label"],
                "predicted": names[given.argmax(axis=1)],
                **{f"p_{label}": given[:, place] for place, label in enumerate(names)},
                "loss": losses(part.targets, given),
            }
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables).sort_values("id", ignore_index=True)


def probabilities_of(predictions: pd.DataFrame, labels: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return the table's probabilities as an array of shape (images, classes)."""
    return predictions[[f"p_{label}" for label in labels]].to_numpy(np.float32)


def class_indices(names: pd.Series, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each name's index in the labels."""
    return pd.Index(labels).get_indexer(pd.Index(names)).astype(np.int64)


def unlabelled_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of ``unlabelled.parquet``, one row per file, sorted by path.

    ``path`` is relative to the folder, ``id`` the sha256 of the bytes. ``predicted`` is the class with the highest
    probability, ``p_<class>`` the calibrated probability of each; ``confidence`` is that of ``predicted``, and ``sure``
    whether it reaches the threshold, null if the model has none. All of these are null where the file is not an image;
    ``reason`` says why in one word.

    Args:
        labels: The classes in the order of the model's outputs.
    """
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("id", pa.string()),
            pa.field("predicted", pa.string()),
            pa.field("confidence", pa.float64()),
            pa.field("sure", pa.bool_()),
            *(pa.field(f"p_{label}", pa.float32()) for label in labels),
            pa.field("reason", pa.string()),
        ]
    )


def unlabelled_folder(root: Path, name: str) -> Path | None:
    """Return the folder of unlabelled images; ``None`` if it does not exist.

    Args:
        root: The project's folder.
        name: ``evaluate.unlabelled``, a path below ``data/`` such as ``data/unlabelled``.

    Raises:
        DataError: It is a file, or not below ``data/``.
    """
    folder, data = (root / name).resolve(), (root / "data").resolve()
    if (folder.exists() and not folder.is_dir()) or not folder.is_relative_to(data) or folder == data:
        raise DataError(
            f"evaluate.unlabelled: {name!r} is not a folder below data/",
            next="put unlabelled images into data/unlabelled and set evaluate.unlabelled: data/unlabelled in "
            "params.yaml, or set it to null if there are none",
        )
    return root / name if folder.is_dir() else None


def predict_unlabelled(
    classifier: Classifier, folder: Path, *, limits: Limits = _LIMITS, workers: int | None = None
) -> pd.DataFrame:
    """Return predictions for every file in a folder and its subfolders, except hidden ones.

    A file that is not an image, or that exceeds the limits, is a row with a reason. Worker processes decode the images,
    which are predicted as a stream, so that only a few batches are in memory.

    Args:
        classifier: The model.
        folder: The images' folder.
        limits: Limits on decoding one image; default: 20 seconds and 1 GiB.
        workers: Number of processes; default: one per processor.

    Returns:
        The columns of :func:`unlabelled_schema`, sorted by path.
    """
    paths = sorted((_text(path.relative_to(folder)), path) for path in folder.rglob("*") if _is_shown(path, folder))
    images = map_batches(
        partial(_images, folder, classifier.preprocessing),
        [path for _, path in paths],
        workers=workers,
        limits=limits,
        lost=lambda _, loss: (None, None, loss),
    )
    rows = []
    for (name, _), (digest, pixels, reason) in track(zip(paths, images, strict=True), "Predict unlabelled", len(paths)):
        answer = Prediction(reason=reason) if pixels is None else classifier.predict([pixels])[0]
        rows.append({"path": name, "id": digest, "predicted": answer.label, **answer.as_row(classifier.labels)})
    table = pa.Table.from_pylist(rows, unlabelled_schema(classifier.labels))
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow", na_value=pd.NA)}.get)
    return frame


def _is_shown(path: Path, folder: Path) -> bool:
    """Tell whether a path gets a row: not hidden, and a file or a symlink (even to a folder)."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and (path.is_symlink() or not path.is_dir())


def _text(path: Path) -> str:
    """Return a path as text that every table can hold, the same on every system."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


_Image = tuple[str | None, npt.NDArray[np.uint8] | None, str | None]
"""A file's digest, the model's input, and the reason if there is none."""


def _images(folder: Path, preprocessing: Preprocessing, paths: Sequence[Path]) -> list[_Image]:
    return [_image(folder, preprocessing, path) for path in paths]


def _image(folder: Path, preprocessing: Preprocessing, path: Path) -> _Image:
    digest = None
    try:
        if path.is_symlink() and target_within(path, folder) is None:
            return None, None, "symlink"
        content = read_image(path)
        digest = hashlib.sha256(content).hexdigest()
        return digest, preprocessing(content), None
    except Undecodable as error:
        return digest, None, error.reason
    except (OSError, RuntimeError):  # RuntimeError: a loop of symlinks
        return digest, None, "unreadable"
