"""Read tables, metrics and training curves of a revision within limits, since their author may be untrusted.

A Parquet file of a megabyte may unpack to terabytes.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pixmill.core.repository.documents import MalformedError, describe_error
from pixmill.images.compute import Loss, RowLimits, Service

Kind = Literal["key", "text", "text?", "number", "number?", "flag?"]
"""Kind of a column: ``key`` is a text without nulls, and unique in the column ``id``; ``?`` marks optional columns."""

_TYPES = {"key": pa.string(), "text": pa.string(), "number": pa.float32(), "flag": pa.bool_()}
_WORDS = {"key": "texts", "text": "texts", "number": "numbers", "flag": "true and false"}

MAX_ROWS = 1_000_000
MAX_COLUMNS = 12_000
"""Exceeds the number of classes that params allow."""

MAX_BYTES = 512 << 20
"""Limit of a file's size, and of its unpacked size."""

LIMITS = RowLimits(seconds=30, memory=2 << 30)
"""Limits of the reading process; Arrow alone reserves a gigabyte."""

_MAX_METRICS_BYTES = 8 << 20

_MAX_CURVES_BYTES = 1 << 20
_MAX_CURVES_COLUMNS = 100

_Number = Annotated[float, Field(allow_inf_nan=False)] | None

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None

_SUFFIXES = ("", "_low", "_high")
"""Suffixes of the names of a metric and of the limits of its interval."""


class TableReader:
    """Read untrusted tables in a process with limited time and memory.

    The process starts at the creation, and ends with the ``with`` block.
    """

    def __init__(self) -> None:
        self._service: Service[tuple[bytes, Mapping[str, Kind]], pd.DataFrame] = Service(
            _read_each, workers=1, limits=LIMITS, waiting=10
        )

    def __enter__(self) -> TableReader:
        self._service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()

    def read(self, content: bytes, columns: Mapping[str, Kind]) -> pd.DataFrame:
        """Return a table as :func:`read_table` does.

        Raises:
            MalformedError: The table is invalid, or exceeds the limits of time or memory.
        """
        if len(content) > MAX_BYTES:
            raise MalformedError(f"is larger than {MAX_BYTES >> 20} MiB")
        found: pd.DataFrame | Loss = self._service.submit((content, columns)).result()
        if isinstance(found, pd.DataFrame):
            return found
        if found == "crashed":
            raise MalformedError("is broken")
        raise MalformedError(
            f"holds more than can be read in {LIMITS.seconds:g} s and {LIMITS.memory >> 20} MiB"
        )


def _read_each(rows: Sequence[tuple[bytes, Mapping[str, Kind]]]) -> list[pd.DataFrame]:
    return [read_table(content, columns) for content, columns in rows]


def read_table(content: bytes, columns: Mapping[str, Kind]) -> pd.DataFrame:
    """Return the known columns of a table; pandas metadata is ignored.

    Args:
        content: Bytes of the Parquet file.
        columns: Kinds by column name; ``p_*`` matches all names with this prefix.

    Raises:
        MalformedError: The file is not Parquet or too large, or columns are absent or of another
            kind.
        MemoryError: The table does not fit into memory.
    """
    try:
        table = _read(pq.ParquetFile(pa.BufferReader(content)), columns)
    except MemoryError:
        raise
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError, pa.ArrowException):
        raise MalformedError("is broken") from None
    for name in table.column_names:
        if columns.get(name) == "key" and table[name].null_count:
            raise MalformedError(f"lacks values of {name}")
    if columns.get("id") == "key" and len(pc.unique(table["id"])) < len(table):
        raise MalformedError("lists an image twice")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read(file: pq.ParquetFile, columns: Mapping[str, Kind]) -> pa.Table:
    footer = file.metadata
    if footer.num_rows > MAX_ROWS or footer.num_columns > MAX_COLUMNS:
        raise MalformedError(
            f"has too many rows ({footer.num_rows:,}) or columns ({footer.num_columns:,})"
        )
    schema = _schema(file.schema_arrow, columns)
    if len(file.schema_arrow.names) != footer.num_columns:
        raise MalformedError("has nested columns")
    table = file.read(schema.names, use_threads=False).select(schema.names).cast(schema, safe=False)
    if table.nbytes > MAX_BYTES:
        raise MalformedError(f"holds more than {MAX_BYTES >> 20} MiB")
    table.validate(full=True)
    return table


def _schema(schema: pa.Schema, columns: Mapping[str, Kind]) -> pa.Schema:
    """Return the known columns in the file's order, with the types to convert them to."""
    names: list[str] = schema.names
    kinds = {
        name: columns.get(name) or columns.get("p_*" if name.startswith("p_") else "")
        for name in names
    }
    if lacking := sorted(
        name
        for name, kind in columns.items()
        if not kind.endswith("?") and name not in (*names, "p_*")
    ):
        raise MalformedError(f"lacks {', '.join(lacking)}")
    if len(kinds) < len(names):
        raise MalformedError("has columns twice")
    fields = []
    for name, kind in kinds.items():
        if kind:
            found = schema.field(name).type
            wanted = _TYPES[kind.removesuffix("?")]
            if not _fits(found, wanted):
                raise MalformedError(
                    f"has {found} in {name[:60]}, not {_WORDS[kind.removesuffix('?')]}"
                )
            fields.append(pa.field(name, wanted))
    return pa.schema(fields)


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    number = pa.types.is_integer(found) or pa.types.is_floating(found)
    text = pa.types.is_string(found) or pa.types.is_large_string(found)
    return bool(
        pa.types.is_null(found)
        or (
            number
            if wanted == pa.float32()
            else text
            if wanted == pa.string()
            else pa.types.is_boolean(found)
        )
    )


@functools.cache
def _metrics_model() -> type[BaseModel]:
    """Return the model of the metrics in ``full.json`` that a comparison uses."""
    from pixmill.experiments.compare.numbers import METRIC_NAMES

    figures: dict[str, Any] = {
        f"{name}{end}": (_Number, None) for name in METRIC_NAMES for end in _SUFFIXES
    }
    figures |= {f"covered_accuracy{end}": (_Share, None) for end in _SUFFIXES}
    model: type[BaseModel] = create_model(
        "_METRICS",
        __config__=ConfigDict(strict=True, extra="ignore"),
        n=(Annotated[int, Field(ge=0, le=10**12)] | None, None),
        per_class=(dict[str, dict[str, _Number]] | None, None),
        temperature=(_Number, None),
        calibrated=(dict[str, _Number] | None, None),
        threshold=(_Share, None),
        **figures,
    )
    return model


def read_metrics(content: bytes) -> dict[str, Any]:
    """Return the metrics of ``plots/evaluate/full.json`` that a comparison uses.

    Raises:
        MalformedError: The file is not JSON or too large, or a metric is not a finite number.
    """
    if len(content) > _MAX_METRICS_BYTES:
        raise MalformedError(f"is larger than {_MAX_METRICS_BYTES >> 20} MiB")
    try:
        return _metrics_model().model_validate_json(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise MalformedError(describe_error(error)) from None


def read_curves(content: bytes | None) -> pd.DataFrame:
    """Return training curves; an empty table if they are missing, malformed or too large."""
    if (
        content is None
        or len(content) > _MAX_CURVES_BYTES
        or content.partition(b"\n")[0].count(b",") >= _MAX_CURVES_COLUMNS
    ):
        return pd.DataFrame()
    try:
        return pd.read_csv(io.BytesIO(content))
    except ValueError:
        return pd.DataFrame()
