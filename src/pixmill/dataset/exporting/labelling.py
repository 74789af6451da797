"""How the labels of an image are written: its class, or what it has and what it has not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pixmill.core.cells import parse_cells, yes_labels
from pixmill.core.metadata import EXPORTED
from pixmill.core.names import to_slug

Answers = dict[str, str] | dict[str, list[str]]
"""What the columns of labels hold for an image."""


@dataclass(frozen=True)
class Labelling:
    """How labels are written for one ``task`` of params.yaml.

    Args:
        columns: Columns of the tables of metadata.
        lists: Those that hold lists of labels.
        file: Name of the table in each split's folder, for Hugging Face's ``imagefolder``.
        write: Write rows as this table.
        balance: Template of the card's table of labels and splits.
        answers: Return the answers of a text in the column ``label`` of the split.
        folder: Return the name of the image's folder for this text.
    """

    columns: tuple[str, ...]
    lists: tuple[str, ...]
    file: str
    write: Callable[[pd.DataFrame, Path], None]
    balance: str
    answers: Callable[[str], Answers]
    folder: Callable[[str], str]


def _to_lists(text: str) -> dict[str, list[str]]:
    """Return what an image has and has not; an unknown label is in neither list."""
    lacks = [label for label, answer in parse_cells(text).items() if not answer]
    return {"label": yes_labels(text), "not_label": lacks}


def _write_json(rows: pd.DataFrame, path: Path) -> None:
    rows.to_json(path, orient="records", lines=True, force_ascii=False)


def _write_parquet(rows: pd.DataFrame, path: Path) -> None:
    """Write lists with their type: that of lists in JSON is unknown if all are empty."""
    import pyarrow as pa

    types = {name: pa.list_(pa.string()) if name in _LISTS else pa.string() for name in rows}
    rows.to_parquet(path, index=False, schema=pa.schema(types))


_LISTS = ("label", "not_label")

LABELLINGS = {
    "one_label": Labelling(
        EXPORTED,
        (),
        "metadata.jsonl",
        _write_json,
        "classes.md",
        lambda text: {"label": text},
        to_slug,
    ),
    "labels": Labelling(
        (*EXPORTED[:2], "not_label", *EXPORTED[2:]),
        _LISTS,
        "metadata.parquet",
        _write_parquet,
        "labels.md",
        _to_lists,
        lambda _: "images",
    ),
}
"""How labels are written, by ``task``."""
