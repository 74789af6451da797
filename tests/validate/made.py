"""Validations made from rows, without images and checks."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pixmill.core.decisions import Decided
from pixmill.core.manifest import PAIRS, SIGHTINGS, VALIDATED
from pixmill.validate.labelling import OneLabel
from pixmill.validate.shortcuts import SHORTCUTS
from pixmill.validate.tables import LEAKS, REPEATED, class_table
from pixmill.validate.validation import Review, Validation

_NULLABLE = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}


def key(number: int) -> str:
    """Return the id of image ``number``."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def kept(number: int, label: str | None = "coat", **columns: Any) -> dict[str, Any]:
    """Return the row of a distinct kept image."""
    row = dict.fromkeys(VALIDATED.names) | {
        "id": key(number),
        "label": label,
        "path": f"images/{key(number)}.png",
        "bytes": 1000,
        "format": "png",
        "source": "folder",
        "image_url": f"data/{label}/{number:04}.png",
        "snapshot": "2026-11-20",
        "width": 100,
        "height": 100,
        "short_side": 100,
        "aspect_ratio": 1.0,
        "mode": "RGB",
        "pixels": key(number),
        "phash": f"{number:016x}",
        "brightness": 128.0,
        "contrast": 60.0,
        "sharpness": 500.0,
        "entropy": 6.0,
        "border": 0.1,
        "group": key(number),
        "verdict": "keep",
    }
    return row | columns


def dropped(number: int, reason: str, label: str | None = "coat", **columns: Any) -> dict[str, Any]:
    """Return the row of a dropped image."""
    return kept(number, label, verdict="drop", reason=reason, **columns)


def unread(number: int, reason: str, label: str | None = "coat", **columns: Any) -> dict[str, Any]:
    """Return the row of an image that could not be decoded."""
    measured = VALIDATED.names[VALIDATED.names.index("width") : VALIDATED.names.index("group")]
    return dropped(number, reason, label, **dict.fromkeys(measured), format=None) | columns


def seen(number: int, label: str = "coat", place: str = "", **columns: Any) -> dict[str, Any]:
    """Return a sighting of image ``number``."""
    url = place or f"data/{label}/{number:04}.png"
    return (
        dict.fromkeys(SIGHTINGS.names)
        | {"id": key(number), "label": label, "image_url": url}
        | columns
    )


def table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pd.DataFrame:
    """Return rows as a table with the types of the stage."""
    frame = pd.DataFrame(list(rows), columns=schema.names)
    for field in schema:
        kind = _NULLABLE.get(field.type) or (
            pd.StringDtype("pyarrow") if field.type == pa.string() else None
        )
        frame[field.name] = frame[field.name].astype(kind or field.type.to_pandas_dtype())
    return frame


def validation(
    rows: Sequence[Mapping[str, Any]],
    *,
    sightings: Sequence[Mapping[str, Any]] = (),
    pairs: Sequence[tuple[int, int, float]] = (),
    classes: Sequence[str] = ("coat", "shoe"),
    followed: Mapping[int, Decided] | None = None,
    repeated: Sequence[tuple[int, str, int, int, str]] = (),
    leaks: Sequence[tuple[int, str, str, int, str, str]] = (),
) -> Validation:
    """Return a validation of these rows.

    Args:
        rows: The manifest's rows, in any order.
        sightings: The sightings.
        pairs: Near-duplicates by number, with their similarity.
        classes: The classes.
        followed: Decisions by number.
        repeated: The rows of :data:`pixmill.validate.tables.REPEATED`, numbers for ids.
        leaks: The rows of :data:`pixmill.validate.tables.LEAKS`, numbers for ids.
    """
    manifest = table(sorted(rows, key=lambda row: str(row["id"])), VALIDATED)
    ends = [(*sorted((key(one), key(other))), alike) for one, other, alike in pairs]
    return Validation(
        manifest=manifest,
        pairs=pd.DataFrame(sorted(ends), columns=PAIRS.names).astype({"similarity": float}),
        repeated=pd.DataFrame(
            [(key(number), *rest) for number, *rest in repeated], columns=list(REPEATED)
        ),
        leaks=pd.DataFrame(
            [
                (key(one), part, place, key(other), *rest)
                for one, part, place, other, *rest in leaks
            ],
            columns=list(LEAKS),
        ),
        classes=class_table(manifest, classes),
        outcomes=[],
        review=Review(
            followed={key(number): item for number, item in (followed or {}).items()}, powerless=[]
        ),
        sightings=table(sightings, SIGHTINGS.remove_metadata())
        if sightings
        else pd.DataFrame(columns=SIGHTINGS.names),
        lookalikes=pd.DataFrame(),
        shortcuts=pd.DataFrame(columns=list(SHORTCUTS)),
        series=None,
        unused_pages=0,
        window=None,
        values=np.empty(0, np.float32),
        unlabelled=np.zeros(len(manifest), bool),
        labelling=OneLabel(),
    )
