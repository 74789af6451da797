"""What the model says of pictures whose class nobody has told: ``evaluate.unlabelled``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.compute import Limits, Loss, map_batches
from pixmill.errors import DataError, ManifestError
from pixmill.evaluate.predictions import Predict
from pixmill.files import read_json, target_within
from pixmill.images import ASPECTS, RESIZES, Undecodable, decode, fit, read_picture
from pixmill.images.fit import Aspect, Resize
from pixmill.metrics import tempered
from pixmill.progress import track

__all__ = ["Preprocessing", "predict_unlabelled", "unlabelled_folder", "unlabelled_schema"]

_BATCH = 64
"""Pictures a step; fixed, since another size may round the last bits differently."""

_LIMITS = Limits(seconds=20, memory=1 << 30)
"""What one picture may take, as validate's own defaults."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Say how a picture becomes what the model sees.

    Args:
        image_size: Side of the square that it is fitted to, in pixels.
        aspect: How it becomes square.
        resize: The filter.
    """

    image_size: int
    aspect: Aspect
    resize: Resize

    @classmethod
    def of(cls, classifier: Path) -> Preprocessing:
        """Return what a saved classifier carries in its ``labels.json``.

        Args:
            classifier: ``artifacts/train``.

        Raises:
            ManifestError: The file is missing or says something else.
        """
        match read_json(classifier / "labels.json", stage="train"):
            case {"image_size": int(size), "aspect": aspect, "resize": resize} if (
                size > 0 and aspect in ASPECTS and resize in RESIZES
            ):
                return cls(size, aspect, resize)
        raise ManifestError(
            f"{classifier / 'labels.json'}: expected image_size, aspect and resize", next="dvc repro -f train"
        )


def unlabelled_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of ``unlabelled.parquet``, one row a file, sorted by path.

    ``path`` is relative to the folder, ``id`` the sha256 of the bytes. ``predicted`` is the class with the highest
    probability, ``p_<class>`` what the model gave each; ``confidence`` is the calibrated probability of ``predicted``,
    and ``sure`` whether that reaches the threshold of answers. All of these are null where the file is no picture;
    ``reason`` says in a word why.

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


def unlabelled_folder(root: Path, name: str) -> Path:
    """Return the folder of pictures without labels.

    Args:
        root: The project's folder.
        name: ``evaluate.unlabelled``, a path below ``data/`` such as ``data/unlabelled``.

    Raises:
        DataError: It is not below ``data/``, or there is no such folder.
    """
    folder, data = (root / name).resolve(), (root / "data").resolve()
    if not folder.is_relative_to(data) or folder == data:
        raise DataError(
            f"evaluate.unlabelled: expected a folder below data/, received {name!r}",
            next="put the pictures into data/unlabelled and set evaluate.unlabelled: data/unlabelled in params.yaml",
        )
    if not folder.is_dir():
        raise DataError(
            f"{name} is missing: evaluate.unlabelled says that pictures without labels are there",
            next="put them there, or set evaluate.unlabelled to null in params.yaml",
        )
    return root / name


def predict_unlabelled(
    predict: Predict,
    folder: Path,
    labels: Sequence[str],
    preprocessing: Preprocessing,
    *,
    temperature: float | None = None,
    threshold: float | None = 0.0,
    limits: Limits = _LIMITS,
    workers: int | None = None,
) -> pd.DataFrame:
    """Return what the model says of every file in a folder and the folders in it, hidden ones left out.

    A file that is no picture, or that takes more than it may, is a row with a reason. Pictures are decoded by other
    processes and predicted as they come, so that no more than some batches are in memory.

    Args:
        predict: The model.
        folder: Where the pictures are.
        labels: The classes in the order of the model's outputs.
        preprocessing: How a picture becomes what the model sees, as in training.
        temperature: What ``confidence`` is calibrated by, ``temperature`` of ``metrics/evaluate.json``; default: it
            stays as the model says it.
        threshold: The confidence from which on an answer is ``sure``, ``threshold`` of ``metrics/evaluate.json``;
            ``None``: none ever is. Default: all are.
        limits: What one picture may take; default: 20 seconds and 1 GiB.
        workers: Processes; default: one a processor.

    Returns:
        The columns of :func:`unlabelled_schema`, sorted by path.
    """
    files = [_File(str(path), name, preprocessing) for name, path in _files(folder)]
    found = map_batches(_squares, files, workers=workers, limits=limits, lost=_lost)
    rows: list[dict[str, Any]] = []
    stream = iter(track(zip(files, found, strict=True), "Predict unlabelled", len(files)))
    while batch := list(islice(stream, _BATCH)):
        rows += _predicted(batch, predict, labels, temperature=temperature or 1.0, threshold=threshold)
    table = pa.Table.from_pylist(rows, unlabelled_schema(labels))
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow", na_value=pd.NA)}.get)
    return frame


@dataclass(frozen=True, slots=True)
class _File:
    """Say which file is looked at and what becomes of it."""

    path: str
    name: str
    preprocessing: Preprocessing


@dataclass(frozen=True, slots=True)
class _Square:
    """Hold the picture as the model sees it, or the reason why there is none."""

    id: str | None
    pixels: npt.NDArray[np.uint8] | None = None
    reason: str | None = None


def _files(folder: Path) -> list[tuple[str, Path]]:
    return sorted((_text(path.relative_to(folder)), path) for path in _walked(folder))


def _walked(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        # A link to a folder is not followed: it may lead round in a circle.
        if path.is_dir() and not path.is_symlink():
            yield from _walked(path)
        else:
            yield path


def _text(path: Path) -> str:
    """Return a path as a text that every table can hold, the same on every system."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def _squares(files: Sequence[_File]) -> list[_Square]:
    return [_square(file) for file in files]


def _square(file: _File) -> _Square:
    name = None
    try:
        path = Path(file.path)
        folder = path.parents[file.name.count("/")]
        if path.is_symlink() and target_within(path, folder) is None:
            return _Square(None, reason="symlink")
        content = read_picture(path)
        name = hashlib.sha256(content).hexdigest()
        pixels = decode(content).pixels
    except Undecodable as error:
        return _Square(name, reason=error.reason)
    except (OSError, RuntimeError):  # RuntimeError: links that go round in a circle
        return _Square(name, reason="unreadable")
    how = file.preprocessing
    return _Square(name, fit(pixels, how.image_size, how.aspect, how.resize))


def _lost(file: _File, loss: Loss) -> _Square:  # noqa: ARG001 (the interface of map_batches)
    return _Square(None, reason=loss)


def _predicted(
    batch: Sequence[tuple[_File, _Square]],
    predict: Predict,
    labels: Sequence[str],
    *,
    temperature: float,
    threshold: float | None,
) -> Iterator[dict[str, Any]]:
    pictures = [square.pixels for _, square in batch if square.pixels is not None]
    given: Iterator[tuple[npt.NDArray[np.float32], float]] = iter(())
    if pictures:
        probabilities = np.asarray(predict(np.stack(pictures).astype(np.float32)), np.float32)
        if probabilities.shape != (len(pictures), len(labels)):
            raise ValueError(f"expected {len(pictures)} x {len(labels)} probabilities, received {probabilities.shape}")
        given = zip(probabilities, tempered(probabilities, temperature).max(axis=1).tolist(), strict=True)
    for file, square in batch:
        row: dict[str, Any] = {"path": file.name, "id": square.id, "reason": square.reason}
        if square.pixels is not None:
            values, confidence = next(given)
            row["predicted"] = labels[int(values.argmax())]
            row["confidence"] = confidence
            row["sure"] = threshold is not None and confidence >= threshold
            row |= {f"p_{label}": float(value) for label, value in zip(labels, values, strict=True)}
        yield row
