"""Parse tables, metrics and training curves of a revision."""

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ConfigDict, ValidationError, create_model

from pixmill.core.repository.documents import MalformedError, describe_error
from pixmill.evaluate.predictions import CALIBRATED
from pixmill.experiments.compare.comparison import MEASURES
from pixmill.experiments.compare.numbers import METRIC_NAMES

Kinds = Mapping[str, pa.DataType]
"""Types of columns by name; ``p_*`` stands for all names with this prefix."""

PREDICTIONS_FILE = "artifacts/evaluate/predictions.parquet"

TABLES: dict[str, tuple[str, Kinds, Kinds]] = {
    "predictions": (
        PREDICTIONS_FILE,
        dict.fromkeys(("id", "split", "label", "predicted"), pa.string()) | {"loss": pa.float32()},
        {"p_*": pa.float32(), "unlike": pa.bool_(), "held_out": pa.bool_()},
    ),
    "manifest": (
        "artifacts/split/manifest.parquet",
        dict.fromkeys(("id", "label", "split", "verdict"), pa.string()),
        dict.fromkeys(
            ("reason", "source", "image_url", "path", "given_split", "mode", "cluster"),
            pa.string(),
        )
        | dict.fromkeys(MEASURES, pa.float32()),
    ),
    "pairs": (
        "artifacts/validate/pairs.parquet",
        {"a": pa.string(), "b": pa.string()},
        {"similarity": pa.float32()},
    ),
}
"""Tables of a revision by field: path, required columns, and optional ones."""

_MAX_ROWS = 10_000_000
"""Rows that fit into the memory of a usual machine."""

_ENDS = ("", "_low", "_high")
"""Suffixes of the names of a metric and of the limits of its interval."""

_INTERVALS: dict[str, Any] = {
    f"{name}{end}": (float | None, None) for name in METRIC_NAMES for end in _ENDS
}

_Metrics = create_model(
    "_Metrics",
    __config__=ConfigDict(strict=True, extra="ignore", allow_inf_nan=False),
    n=(int | None, None),
    per_class=(dict[str, dict[str, float | None]] | None, None),
    threshold=(float | None, None),
    **_INTERVALS,
)
"""The metrics in ``full.json`` that a comparison uses."""


def read_table(content: bytes, name: str) -> pd.DataFrame:
    """Return the known columns of a table of :data:`TABLES`.

    Args:
        content: Bytes of the Parquet file.
        name: Field of the table, such as ``predictions``.

    Raises:
        MalformedError: The file is not Parquet, columns are absent or of another type, there are
            too many rows, or probabilities are not calibrated.
    """
    _, required, optional = TABLES[name]
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        schema = _schema(file.schema_arrow.names, required, optional)
        if file.metadata.num_rows > _MAX_ROWS:
            raise MalformedError(f"has more than {_MAX_ROWS:,} rows")
        table = file.read(schema.names).select(schema.names).cast(schema, safe=False)
        table.validate(full=True)
        frame: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise MalformedError(f"is malformed: {(str(error) or 'error').splitlines()[0]}") from None
    metadata = file.schema_arrow.metadata or {}
    if name == "predictions" and not CALIBRATED.items() <= metadata.items():
        raise MalformedError("holds probabilities before calibration, which compare does not read")
    return frame


def _schema(names: list[str], required: Kinds, optional: Kinds) -> pa.Schema:
    """Return the known columns in the file's order, with the types to convert them to."""
    lacking = [name for name in required if name not in names]
    if lacking:
        raise MalformedError(f"lacks {', '.join(lacking)}")
    kinds = {**optional, **required}
    fields = []
    for name in names:
        kind = kinds.get("p_*" if name.startswith("p_") else name)
        if kind is not None:
            fields.append(pa.field(name, kind))
    return pa.schema(fields)


def read_metrics(content: bytes) -> dict[str, Any]:
    """Return the metrics of ``plots/evaluate/full.json`` that a comparison uses.

    Raises:
        MalformedError: The file is not JSON, or a metric is not a finite number.
    """
    try:
        return _Metrics.model_validate_json(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise MalformedError(describe_error(error)) from None


def read_curves(content: bytes | None) -> pd.DataFrame:
    """Return training curves; an empty table if they are missing or malformed."""
    try:
        return pd.read_csv(io.BytesIO(content or b""))
    except ValueError:
        return pd.DataFrame()
