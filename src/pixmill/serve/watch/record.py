"""What is kept of a model's images between looks at a log, in its folder.

Deleted days of the log take nothing from it: p-values, and which images people were asked about,
stay until their rows are forgotten or the file is deleted, which begins the test anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from pixmill.core.cells import cells_of
from pixmill.core.decisions import Decided
from pixmill.core.manifest import read_table, write_table
from pixmill.metrics.arrays import Bools, Floats
from pixmill.serve.predict.model import Model
from pixmill.serve.watch.evidence import ALARM, fall, preference

Sample = Literal["random", "disagreement", "doubtful"]
"""Why people are asked about an image."""

_SCHEMA = pa.schema(
    [
        pa.field("place", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("predicted", pa.string(), nullable=False),
        pa.field("shadow", pa.string()),
        pa.field("p", pa.float64()),
        pa.field("accepted", pa.bool_(), nullable=False),
        pa.field("sample", pa.string()),
    ]
)
"""Columns, in order of ``place``: images as they came, looks after one another.

``p`` is the p-value of the image, null if it trains the classifier; ``accepted``: it counts as
usual; ``sample``: why people are asked about it.
"""


@dataclass(frozen=True)
class Judged:
    """What people's answers say.

    Args:
        waiting: Number of images without an answer, of those that people were asked about.
        dropped: Number of images that people dropped, as those of no class; they do not count.
        right: Whether each answer that counts is right; of a second model, whether it is right and
            the first one wrong.
        evidence: After each answer, as a logarithm.
    """

    waiting: int
    dropped: int
    right: Bools
    evidence: Floats

    @property
    def is_decided(self) -> bool:
        """Whether the evidence has ever been sufficient."""
        return bool((self.evidence >= ALARM).any())


def read_record(folder: Path, model: Model) -> pd.DataFrame:
    """Return the table of a model; empty before the first look.

    Raises:
        ManifestError: The file is malformed.
    """
    path = _path(folder, model)
    if path.exists():
        return read_table(path, _SCHEMA, stage="watch")
    empty: pd.DataFrame = _SCHEMA.empty_table().to_pandas()
    return empty


def save_record(folder: Path, model: Model, record: pd.DataFrame) -> None:
    """Write the table atomically.

    Raises:
        StorageError: The folder may not be written.
    """
    write_table(_path(folder, model), record, _SCHEMA)


def _path(folder: Path, model: Model) -> Path:
    return folder / f"watched-{model.digest[:16]}.parquet"


def extend(record: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add images that came since the last look.

    Args:
        record: The table.
        rows: Rows of the log in order of time, each image once.
    """
    new = rows.loc[~rows["id"].isin(record["id"]), ["id", "time", "predicted", "shadow"]]
    new = new.assign(p=np.nan, accepted=False, sample=None)
    both = pd.concat([record, new], ignore_index=True) if len(record) else new
    return both.assign(place=np.arange(len(both))).reset_index(drop=True)


def draw(record: pd.DataFrame, sample: Sample, among: Collection[str]) -> list[str]:
    """Return the ids of images that people can be asked about, in random order.

    Args:
        record: The table.
        sample: Of which kind.
        among: Ids of the images that are kept.
    """
    is_open = record["sample"].isna() & record["id"].isin([*among])
    if sample == "disagreement":
        is_open &= _disagrees(record)
    # By the end of the id, since the log may have sampled by its beginning.
    return sorted(record.loc[is_open, "id"], key=lambda name: name[::-1])


def judge(
    record: pd.DataFrame, decided: Mapping[str, Decided], model: Model, right: int, known: int
) -> Judged:
    """Return what the answers about the random sample say about the accuracy.

    Args:
        record: The table.
        decided: What is decided, by id.
        model: The model.
        right: Number of test images with a right answer.
        known: Number of test images.
    """
    answers = _answers(record[record["sample"] == "random"], decided, model)
    is_right = _right(answers, "predicted", model)
    return Judged(*_open(answers), is_right, fall(is_right, right, known))


def judge_shadow(
    record: pd.DataFrame, decided: Mapping[str, Decided], model: Model
) -> Judged | None:
    """Return which model is right where the two disagree; ``None`` without a second one.

    Args:
        record: The table.
        decided: What is decided, by id.
        model: The first model.
    """
    if record["shadow"].isna().all():
        return None
    asked = record[_disagrees(record) & record["sample"].isin(["random", "disagreement"])]
    answers = _answers(asked, decided, model)
    first = _right(answers, "predicted", model)
    second = _right(answers, "shadow", model)
    wins = second[first != second]
    return Judged(*_open(answers), wins, preference(wins))


def _disagrees(record: pd.DataFrame) -> pd.Series:
    return record["shadow"].notna() & (record["shadow"] != record["predicted"])


def _answers(asked: pd.DataFrame, decided: Mapping[str, Decided], model: Model) -> pd.DataFrame:
    """Return rows with ``truth``, missing without a full answer, and whether they are dropped."""
    least = 1 if model.head.is_exclusive else len(model.labels)
    of = [decided.get(name) for name in asked["id"]]
    texts = [None if each is None else each.resolve_label(None) for each in of]
    truth = [text if len(cells_of(text)) >= least else None for text in texts]
    dropped = [each is not None and each.fate == "drop" for each in of]
    return asked.assign(truth=pd.Series(truth, asked.index, object), dropped=dropped)


def _open(answers: pd.DataFrame) -> tuple[int, int]:
    """Return the numbers of images that wait for an answer, and that people dropped."""
    waits = answers["truth"].isna() & ~answers["dropped"]
    return int(waits.sum()), int(answers["dropped"].sum())


def _right(answers: pd.DataFrame, column: str, model: Model) -> Bools:
    counts = answers[answers["truth"].notna() & ~answers["dropped"]]
    return model.head.right(counts["truth"], counts[column], model.labels)
