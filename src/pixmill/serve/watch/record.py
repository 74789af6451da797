"""What is kept of a model's images between looks at a log, in its folder.

Deleted days of the log take nothing from it: p-values, and which images people were asked about,
stay until their rows are forgotten or the file is deleted, which begins the test anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from pixmill.core.cells import cells_of
from pixmill.core.errors import DataError, ManifestError
from pixmill.core.manifest import VALIDATED, read_table, table_schema, write_table
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.prediction_log import read_each, refuse_file
from pixmill.metrics.arrays import Bools, Floats
from pixmill.serve.predict.model import Model
from pixmill.serve.watch.evidence import ALARM, fall, preference

Sample = Literal["random", "disagreement", "doubtful"]
"""Why people are asked about an image."""

_SCHEMA = pa.schema(
    [
        *table_schema("place!:int64 id!"),
        pa.field("time", pa.timestamp("ms", "UTC"), nullable=False),
        *table_schema("predicted! shadow second p:float64 accepted!:bool_"),
        pa.field("features", pa.list_(pa.float32())),
        *table_schema("sample asked:int64"),
    ]
)
"""Columns, in order of ``place``: images as they came, looks after one another.

``shadow`` is the answer of the model with the digest ``second``; ``p`` is the p-value of the image,
null if it trains the classifier; ``accepted``: later images are compared with it, by its
``features``; ``sample``: why people are asked about it; ``asked``: when, as a number that grows.
"""


@dataclass(frozen=True)
class Judged:
    """What people's answers say.

    Args:
        waiting: Number of images without an answer, of those that people were asked about.
        dropped: Number of images that people dropped, as those of no class; they do not count.
        right: Whether each answer that counts is right; of a second model, whether it is right and
            the first one wrong. In the order of asking, up to the first image that waits: people
            may answer first what is easy.
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
        DataError: The file is malformed, or of another version.
    """
    path = _path(folder, model)
    try:
        if path.is_file():
            read = partial(read_table, schema=_SCHEMA, stage="watch")
            return next(read_each(read, [path], refuse_file))
    except ManifestError as error:
        raise DataError(
            error.message, next="delete it, which begins the test anew, then: the same command"
        ) from error
    empty: pd.DataFrame = _SCHEMA.empty_table().to_pandas()
    return empty


def save_record(folder: Path, model: Model, record: pd.DataFrame) -> None:
    """Write the table atomically.

    Raises:
        StorageError: The folder may not be written.
    """
    time = record["time"].astype(pd.ArrowDtype(_SCHEMA.field("time").type))
    write_table(_path(folder, model), record.assign(time=time), _SCHEMA)


def _path(folder: Path, model: Model) -> Path:
    return folder / f"watched-{model.digest[:16]}.parquet"


def extend(record: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add images that came since the last look.

    Args:
        record: The table.
        rows: Rows of the log in order of time, each image once.
    """
    new = rows.loc[~rows["id"].isin(record["id"]), ["id", "time", "predicted", "shadow", "second"]]
    new = new.assign(p=np.nan, accepted=False, features=None, sample=None, asked=np.nan)
    both = pd.concat([record, new], ignore_index=True) if len(record) else new
    return both.assign(place=np.arange(len(both))).reset_index(drop=True)


def is_recent(record: pd.DataFrame) -> Bools:
    """Return which images came after those that were accepted last."""
    accepted = record["accepted"].to_numpy(bool)
    return ~np.logical_or.accumulate(accepted[::-1])[::-1]


def draw(record: pd.DataFrame, sample: Sample, among: Collection[str]) -> list[str]:
    """Return the ids of images that people can be asked about, in random order.

    Args:
        record: The table.
        sample: Of which kind.
        among: Ids of the images that are kept.
    """
    is_open = record["asked"].isna() & record["id"].isin([*among])
    if sample == "disagreement":
        is_open &= _disagrees(record, _second(record))
    # By the end of the id, since the log may have sampled by its beginning.
    return sorted(record.loc[is_open, "id"], key=lambda name: name[::-1])


def read_answers(root: Path, record: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the rows that people were asked about, in the order of asking.

    Args:
        root: Project folder, with decisions and the labels of the last run.
        record: The table.
        model: The model.

    Returns:
        With ``truth``, missing without a full answer, whether they are ``dropped``, and whether
        they are ``waiting`` for an answer.
    """
    asked = record[record["asked"].notna()].sort_values("asked")
    labels = read_labels(root)
    decided = DecisionTable(root).decided
    wanted = set() if model.head.is_exclusive else {*model.labels}
    truth: list[str | None] = []
    dropped = []
    for name in asked["id"]:
        of = decided.get(name)
        came = labels.get(name)
        text = came if of is None else of.resolve_label(came)
        cells = cells_of(text)
        truth.append(text if cells and wanted <= cells.keys() else None)
        dropped.append(of is not None and of.fate == "drop")
    found = asked.assign(truth=pd.Series(truth, asked.index, object), dropped=dropped)
    return found.assign(waiting=found["truth"].isna() & ~found["dropped"])


def read_labels(root: Path) -> dict[str, str]:
    """Return the labels of the images of the last run that have one, by id.

    Raises:
        ManifestError: There was no run.
    """
    path = root / "artifacts/validate/manifest.parquet"
    table = read_table(path, VALIDATED, stage="validate", columns=["id", "label"]).dropna()
    return dict(zip(table["id"], table["label"], strict=True))


def judge(answers: pd.DataFrame, model: Model, right: int, known: int) -> Judged:
    """Return what the answers about a random sample say about the accuracy.

    Args:
        answers: Rows of :func:`read_answers`; those of other samples do not count.
        model: The model.
        right: Number of test images with a right answer.
        known: Number of test images.
    """
    asked = answers[answers["sample"] == "random"]
    is_right = _right(asked, "predicted", model)
    return Judged(*_open(asked), is_right, fall(is_right, right, known))


def judge_shadow(record: pd.DataFrame, answers: pd.DataFrame, model: Model) -> Judged | None:
    """Return which model is right where the two disagree; ``None`` without a second one.

    Args:
        record: The table.
        answers: Rows of :func:`read_answers`.
        model: The first model.
    """
    second_model = _second(record)
    if second_model is None:
        return None
    asked = answers[_disagrees(answers, second_model) & (answers["sample"] != "doubtful")]
    first = _right(asked, "predicted", model)
    second = _right(asked, "shadow", model)
    wins = second[first != second]
    return Judged(*_open(asked), wins, preference(wins))


def _disagrees(record: pd.DataFrame, second: str | None) -> pd.Series:
    """Return on which images a second model answers otherwise."""
    differs = record["shadow"].notna() & (record["shadow"] != record["predicted"])
    return differs & (record["second"] == second)


def _second(record: pd.DataFrame) -> str | None:
    """Return the digest of the last second model; ``None`` if there is none."""
    digests = record.loc[record["shadow"].notna(), "second"]
    return None if digests.empty else str(digests.iloc[-1])


def _open(asked: pd.DataFrame) -> tuple[int, int]:
    """Return the numbers of images that wait for an answer, and that people dropped."""
    return int(asked["waiting"].sum()), int(asked["dropped"].sum())


def _right(asked: pd.DataFrame, column: str, model: Model) -> Bools:
    counts = asked[~asked["waiting"].cummax() & ~asked["dropped"]]
    return model.head.right(counts["truth"], counts[column], model.labels)
