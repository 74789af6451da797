"""The manifest: one row per image, with columns that each stage adds."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.cells import Task, task_of
from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import replacing
from pixmill.core.words import count


def table_schema(columns: str, base: Sequence[pa.Field] = ()) -> pa.Schema:
    """Return a schema of columns ``name[:type]`` (default: string); ``!`` marks non-null ones."""
    fields = [
        (name, kind or "string")
        for name, _, kind in (column.partition(":") for column in columns.split())
    ]
    return pa.schema(
        [
            *base,
            *(
                pa.field(name.rstrip("!"), getattr(pa, kind)(), not name.endswith("!"))
                for name, kind in fields
            ),
        ]
    )


SCRAPED = table_schema(
    "id! label path! bytes!:int64 format source! query page_url image_url licence author "
    "given_split snapshot!"
)
"""Columns that scrape writes.

``id`` is the SHA-256 of the file's bytes. ``label`` is null if sightings disagree, or if none of
them has a label. ``path`` is relative to ``artifacts/scrape``. ``format`` is detected from the
content, and null if the file is not an image. Provenance columns belong to the first sighting.
``given_split`` is the split (``train``, ``val`` or ``test``) that people assigned, if any.
"""

SIGHTINGS = table_schema(
    "id label! source! query rank!:int32 page_url image_url thumbnail_url title price width:int32 "
    "height:int32 licence author given_split route thumbnail!:bool_ reason"
)
"""One row per candidate: the ``id`` of its image, or the ``reason`` for refusing it.

``label`` is null for unlabelled images (:func:`sightings_schema`). ``rank`` is the position among
the query's candidates, from 0. ``width`` and ``height`` are the original's dimensions in pixels
according to the source. ``given_split`` is the split that people
assigned; ``route`` names how the URL of the original was found. If ``thumbnail`` is true, ``id`` is
that of the thumbnail, and ``reason`` explains the missing original.
"""


def sightings_schema(*, has_unlabelled: bool) -> pa.Schema:
    """Return :data:`SIGHTINGS`, in which ``label`` may be null only with unlabelled images."""
    place = SIGHTINGS.get_field_index("label")
    label = pa.field("label", pa.string(), nullable=has_unlabelled)
    return SIGHTINGS.set(place, label)


VALIDATED = table_schema(
    "width:int32 height:int32 short_side:int32 aspect_ratio:float32 mode pixels phash "
    "brightness:float32 "
    "contrast:float32 sharpness:float32 entropy:float32 border:float32 group verdict! reason",
    base=SCRAPED,
)
"""Columns that validate adds from one full decode; null if an image cannot be decoded.

``width``, ``height`` and ``short_side`` are in pixels, of the upright image; ``aspect_ratio`` is
width / height. ``pixels`` is a digest of the decoded RGB pixels, ``phash`` a 64-bit perceptual hash
as 16 hexadecimal digits. ``brightness`` and ``contrast`` are the mean and standard deviation of the
luma (0 to 255), ``sharpness`` is the variance of its Laplacian, ``entropy`` the entropy of its
histogram in bits (0 to 8), ``border`` the share of the area (0 to 1) that a near-uniform border
covers; all five are measured at 160 to 319 pixels on the longer side, or fewer. ``group`` is the
representative id of a group of verified near-duplicates (the image's id if it has none).
``verdict`` is ``keep`` or ``drop``, with the ``reason``.
"""

PAIRS = table_schema("a! b! similarity!:float64")
"""Verified near-duplicates among kept images: two ids, ``a`` < ``b``, and their similarity, 0 to 1.
"""

SPLIT = table_schema(
    "split row:int32 fold:int32 cluster",
    base=VALIDATED,
)
"""Columns that split adds: the split (null if dropped) and the row in its packed array.

``fold`` is the fold number, from 0, of images in train or val; null for clusters with
:func:`corrections` in train. ``cluster`` is the first ``group`` of images that are linked, directly
or through others: by near-duplicates, equal pixels or, if ``split.group_by`` is set, a group; null
if dropped.
"""

SERIES_FILE = "series.json"
"""Series of images, such as clips, in the folder of validate, and of split if it tears some.

Both have ``group_by`` (the value of ``split.group_by`` that keeps them together) and ``sentence``;
split adds ``folds`` (see :func:`pixmill.split.series.torn_series`). Absent without series.
"""

TEXT = pd.StringDtype("pyarrow", na_value=pd.NA)
"""Pandas dtype of nullable strings."""

_NULLABLE = {
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): TEXT,
}


def write_table(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Write a table as Parquet, atomically; equal content gives equal bytes.

    Args:
        path: Target file.
        frame: Rows sorted by the first column (mostly ``id``) without duplicates; :data:`PAIRS`
            sorted by ``a`` and ``b``; :data:`SIGHTINGS` in any stable order.
        schema: The columns, all of which the frame must have. Its metadata are written with it.

    Raises:
        ValueError: Wrong columns or order, or duplicate keys.
    """
    expected = set(schema.names)
    received = set(frame.columns)
    if expected != received:
        raise ValueError(
            f"columns of {path.name}: missing {expected - received}, unknown {received - expected}"
        )
    key = _key(schema)
    if key:
        index = pd.MultiIndex.from_frame(frame[key]) if len(key) > 1 else pd.Index(frame[key[0]])
        if not (index.is_monotonic_increasing and index.is_unique):
            raise ValueError(
                f"the rows of {path.name} must be sorted by {' and '.join(key)}, and unique"
            )
    table = pa.Table.from_pandas(
        frame[schema.names], schema=schema, preserve_index=False, safe=True
    )
    with replacing(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(schema.metadata), temporary, compression="zstd"
        )


@contextlib.contextmanager
def table_writer(
    path: Path, schema: pa.Schema
) -> Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]:
    """Write a table as Parquet in row groups, so that it need not fit into memory.

    The file appears when the block succeeds. Equal rows give equal bytes.

    Args:
        path: Target file.
        schema: The columns.

    Yields:
        A function that appends rows as one row group; missing columns become null.
    """
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        yield lambda rows: writer.write_table(pa.Table.from_pylist(rows, schema))


def _key(schema: pa.Schema) -> list[str]:
    if schema.names == SIGHTINGS.names:
        return []
    return ["a", "b"] if schema is PAIRS else schema.names[:1]


def read_table(
    path: Path,
    schema: pa.Schema,
    *,
    stage: str,
    columns: Sequence[str] | None = None,
    task: Task | None = None,
) -> pd.DataFrame:
    """Read a table of an earlier stage; missing values are ``pd.NA``.

    Args:
        path: The file.
        schema: The expected columns.
        stage: The stage that writes the file, named in errors.
        columns: Columns to read; default: all.
        task: Task that its labels must be of; default: any.

    Raises:
        ManifestError: The file is missing, is not Parquet, or has other columns or types, or labels
            of another task.
    """
    try:
        there = pq.read_schema(path)
        known = [name for name in columns or schema.names if name in there.names]
        table = pq.read_table(path, columns=known)
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next=f"dvc repro {stage}") from None
    except pa.ArrowInvalid as error:
        raise ManifestError(
            f"{path} is not a Parquet table: {error}", next=f"dvc repro -f {stage}"
        ) from None
    expected, received = (
        dict(zip(item.names, item.types, strict=True)) for item in (schema, there)
    )
    if received != expected:
        raise ManifestError(
            f"{path} was written by another version: expected {_columns(expected, received)}, "
            f"received {_columns(received, expected)}",
            next=f"dvc repro -f {stage}",
        )
    frame: pd.DataFrame = table.select(list(columns or schema.names)).to_pandas(
        types_mapper=_NULLABLE.get
    )
    for text in frame["label"].dropna()[:1] if task else ():
        if (was := task_of(text)) != task:
            raise ManifestError(
                f"{path} has labels of task {was}, but params.yaml has {task}",
                next="write task beside classes in params: of the stages of dvc.yaml, then: "
                f"dvc repro -f {stage}",
            )
    return frame


def _columns(here: Mapping[str, pa.DataType], there: Mapping[str, pa.DataType]) -> str:
    """List the columns of the first schema that the second lacks or has with another type."""
    return (
        ", ".join(f"{name} ({kind})" for name, kind in here.items() if there.get(name) != kind)
        or "no other columns"
    )


def sample_rows(table: pd.DataFrame, limit: int | None = None) -> pd.DataFrame:
    """Return a random but reproducible sample of rows, in random order.

    Args:
        table: A table with the column ``id``. Ids are digests, so their last digits are a random
            order.
        limit: Maximum number to return; default: all.
    """
    return table.iloc[
        np.argsort(np.array(table["id"].str[-16:], dtype="S16"), kind="stable")[:limit]
    ]


def given_test_rows(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of labelled images that people assigned to test, kept or dropped.

    Args:
        manifest: The columns of :data:`VALIDATED`.
    """
    given = (manifest["given_split"] == "test").fillna(False)
    return manifest[given & (manifest["reason"] != "unlabelled").fillna(True)]


def given_test(manifest: pd.DataFrame) -> dict[str, Any]:
    """Count the images that people assigned to test.

    Args:
        manifest: The columns of :data:`VALIDATED`.

    Returns:
        ``given``, ``kept``, and ``dropped`` by reason, most frequent first; empty if there are
        none.
    """
    rows = given_test_rows(manifest)
    reasons = rows["reason"].dropna().astype(object)
    words = reasons.map(lambda reason: reason.partition(":")[0]).value_counts()
    dropped = {
        str(word): int(n) for word, n in sorted(words.items(), key=lambda item: (-item[1], item[0]))
    }
    return (
        {"given": len(rows), "kept": len(rows) - len(reasons), "dropped": dropped}
        if len(rows)
        else {}
    )


CORRECTION = "feedback-"
"""Prefix of files in ``data/`` that users of the served page corrected; date and id follow."""

RANDOM = "sample-"
"""Prefix of files of a random sample of what a model answered; they may be in any split."""

ASKED = {
    "random": RANDOM,
    "disagreement": f"{CORRECTION}models-",
    "doubtful": f"{CORRECTION}doubt-",
}
"""Prefixes of files of a log that people are asked about, by reason."""


def corrections(manifest: pd.DataFrame) -> pd.Series:
    """Return whether each image is a correction by a user of the served page.

    Such images are the model's errors, not a random sample, so they train but measure nothing.

    Args:
        manifest: A table with ``source`` and ``image_url``.
    """
    named = manifest["image_url"].str.contains(
        rf"(?:^|/){CORRECTION}(?:[a-z]+-)?\d{{4}}-\d\d-\d\d-[^/]*$", na=False
    )
    return (manifest["source"].isin(["folder", "shop"]) & named).astype(bool)


def shrinkage(found: dict[str, Any]) -> str:
    """Describe how many images of a given test set were dropped; empty if none were.

    >>> shrinkage({"given": 3000, "kept": 2997, "dropped": {"label_conflict": 2, "too_small": 1}})
    '3,000 given test images became 2,997: 3 dropped (label conflict 2, too small 1)'

    Args:
        found: Counts from :func:`given_test`.
    """
    if not found or found["given"] == found["kept"]:
        return ""
    given = found["given"]
    kept = found["kept"]
    reasons = ", ".join(f"{word.replace('_', ' ')} {n:,}" for word, n in found["dropped"].items())
    return (
        f"{count(given, 'given test image')} became {kept:,}: {given - kept:,} dropped ({reasons})"
    )
