"""The manifest: the one table that flows from stage to stage and grows by columns."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import replacing
from pixmill.core.words import count


def _schema(columns: str, base: Sequence[pa.Field] = ()) -> pa.Schema:
    """Return a schema from its columns: ``name`` or ``name:type`` (default: string), where ``!`` forbids null."""
    fields = [(name, kind or "string") for name, _, kind in (column.partition(":") for column in columns.split())]
    return pa.schema(
        [*base, *(pa.field(name.rstrip("!"), getattr(pa, kind)(), not name.endswith("!")) for name, kind in fields)]
    )


SCRAPED = _schema(
    "id! label path! bytes!:int64 format source! query page_url image_url licence author given_split snapshot!"
)
"""What scrape knows of an image.

``id`` is the sha256 of its bytes; ``label`` is null where sightings disagree; ``path`` is relative to
``artifacts/scrape``; ``format`` is told by content and null where it is no image. Provenance is the first sighting's.
``given_split`` is the part (``train``, ``val`` or ``test``) that people have put it into, null where they did not.
"""

SIGHTINGS = _schema(
    "id label! source! query rank!:int32 page_url image_url thumbnail_url title price width:int32 "
    "height:int32 licence author given_split route thumbnail!:bool_ reason"
)
"""One row a candidate that a source showed: the ``id`` it turned out to be, or the ``reason`` why it was refused.

``rank`` is its place among the query's candidates, from 0; ``width`` and ``height`` are what the source says of the
original, in pixels; ``given_split`` is the part that people put this candidate into, ``route`` how the source gave the
original away. Where ``thumbnail`` is true, ``id`` is the small copy's, and ``reason`` is why the original could not be
had.
"""

VALIDATED = _schema(
    "width:int32 height:int32 short_side:int32 aspect_ratio:float32 mode pixels phash brightness:float32 "
    "contrast:float32 sharpness:float32 entropy:float32 border:float32 group verdict! reason",
    base=SCRAPED,
)
"""What validate adds from one full decode; null where an image cannot be decoded.

``width``, ``height`` and ``short_side`` are in pixels, of the upright image; ``aspect_ratio`` is width by height.
``pixels`` is a digest of the decoded RGB pixels; ``phash`` a 64-bit perceptual hash as 16 hexadecimal digits.
``brightness`` and ``contrast`` are the mean and the standard deviation of the luma (0 to 255); ``sharpness`` is the
variance of its Laplacian, ``entropy`` that of its histogram in bits (0 to 8), ``border`` the share of the area (0 to 1)
that a near-uniform border takes; all five at 160 to 319 pixels on the longer side, or fewer. ``group`` is the
id that stands for a group of verified near-duplicates, its own where it has none. ``verdict`` is ``keep`` or ``drop``,
``reason`` why.
"""

PAIRS = _schema("a! b! similarity!:float64")
"""The verified near-duplicates among kept images: two ids, ``a`` before ``b``, and how alike they are, 0 to 1."""

SPLIT = _schema(
    "split row:int32 fold:int32 cluster",
    base=VALIDATED,
)
"""What split adds: the part (``train``, ``val`` or ``test``; null where dropped) and the row in that part's array.

``fold`` is the number of its fold, from 0, of an image in train or val where ``split.folds`` asks for folds.
``cluster`` is the ``group`` that stands for all images of the parts that are right or wrong together: near-duplicates
and, where ``split.group_by`` asks for groups, the images of one such group; null where dropped.
"""

TEXT = pd.StringDtype("pyarrow", na_value=pd.NA)
"""The type of pandas for texts, absent ones included."""

_NULLABLE = {
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): TEXT,
}


def write_table(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Write a table as Parquet whose bytes follow from its content alone, at once or not at all.

    Args:
        path: The file.
        frame: One row an image, sorted by the first column, mostly ``id``, without repetition; for :data:`PAIRS` the
            same by ``a`` and ``b``; for :data:`SIGHTINGS` in any stable order.
        schema: The columns; the frame must have exactly these. Its metadata are written with it.

    Raises:
        ValueError: Columns, order or uniqueness are not as they must be (a defect of the caller).
    """
    expected, received = set(schema.names), set(frame.columns)
    if expected != received:
        raise ValueError(f"columns of {path.name}: missing {expected - received}, unknown {received - expected}")
    key = _key(schema)
    if key:
        index = pd.MultiIndex.from_frame(frame[key]) if len(key) > 1 else pd.Index(frame[key[0]])
        if not (index.is_monotonic_increasing and index.is_unique):
            raise ValueError(f"the rows of {path.name} must be sorted by {' and '.join(key)}, and unique")
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False, safe=True)
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(schema.metadata), temporary, compression="zstd")


@contextlib.contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]:
    """Write a table as Parquet in pieces, so that it need never be whole in memory.

    The file is there once the block has ended well, and its bytes follow from its rows alone.

    Args:
        path: The file.
        schema: The columns.

    Yields:
        What adds rows, as one row group; a column that a row lacks is null.
    """
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(rows, schema))


def _key(schema: pa.Schema) -> list[str]:
    if schema is SIGHTINGS:
        return []
    return ["a", "b"] if schema is PAIRS else schema.names[:1]


def read_table(path: Path, schema: pa.Schema, *, stage: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table that an earlier stage wrote; absent values are ``pd.NA``.

    Args:
        path: The file.
        schema: The columns that it must have.
        stage: The stage that writes it, named in the error.
        columns: Those that are read, where not all are needed; default: all.

    Raises:
        ManifestError: The file is absent, is no Parquet, or has other columns or types.
    """
    try:
        there = pq.read_schema(path)
        known = [name for name in columns or schema.names if name in there.names]
        table = pq.read_table(path, columns=known)
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next=f"dvc repro {stage}") from None
    except pa.ArrowInvalid as error:
        raise ManifestError(f"{path} is not a Parquet table: {error}", next=f"dvc repro -f {stage}") from None
    expected, received = (dict(zip(item.names, item.types, strict=True)) for item in (schema, there))
    if received != expected:
        raise ManifestError(
            f"{path} was written by another version: expected {_columns(expected, received)}, "
            f"received {_columns(received, expected)}",
            next=f"dvc repro -f {stage}",
        )
    frame: pd.DataFrame = table.select(list(columns or schema.names)).to_pandas(types_mapper=_NULLABLE.get)
    return frame


def _columns(here: Mapping[str, pa.DataType], there: Mapping[str, pa.DataType]) -> str:
    """Name the columns that are here, and not there or of another type."""
    return ", ".join(f"{name} ({kind})" for name, kind in here.items() if there.get(name) != kind) or "no other columns"


def given_test_rows(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the images that people put into test, kept or not; each different file is one.

    Args:
        manifest: The columns of :data:`VALIDATED`.
    """
    return manifest[(manifest["given_split"] == "test").fillna(False)]


def given_test(manifest: pd.DataFrame) -> dict[str, Any]:
    """Return how many test images were ``given``, how many are ``kept``, and ``dropped.<reason>``, the most first.

    Args:
        manifest: The columns of :data:`VALIDATED`.

    Returns:
        Nothing where no test images were given.
    """
    rows = given_test_rows(manifest)
    reasons = rows["reason"].dropna().astype(object)
    words = reasons.map(lambda reason: reason.partition(":")[0]).value_counts()
    dropped = {str(word): int(n) for word, n in sorted(words.items(), key=lambda item: (-item[1], item[0]))}
    return {"given": len(rows), "kept": len(rows) - len(reasons), "dropped": dropped} if len(rows) else {}


def shrinkage(found: dict[str, Any]) -> str:
    """Return in words how a given test set shrank; empty where it did not, or none was given.

    >>> shrinkage({"given": 3000, "kept": 2997, "dropped": {"label_conflict": 2, "too_small": 1}})
    '3,000 given test images became 2,997: 3 dropped (label conflict 2, too small 1)'

    Args:
        found: What :func:`given_test` returns.
    """
    if not found or found["given"] == found["kept"]:
        return ""
    given, kept = found["given"], found["kept"]
    reasons = ", ".join(f"{word.replace('_', ' ')} {n:,}" for word, n in found["dropped"].items())
    return f"{count(given, 'given test image')} became {kept:,}: {given - kept:,} dropped ({reasons})"
