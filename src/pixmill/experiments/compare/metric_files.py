"""Parse metrics and training curves of a revision within limits, since their author may be untrusted."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pixmill.core.repository.documents import MalformedError, describe_error

if TYPE_CHECKING:
    import pandas as pd

_MAX_METRICS_BYTES = 8 << 20
_MAX_CURVES_BYTES, _MAX_CURVES_COLUMNS = 1 << 20, 100

_Number = Annotated[float, Field(allow_inf_nan=False)] | None
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None

_SUFFIXES = ("", "_low", "_high")
"""Suffixes of the names of a metric and of the limits of its interval."""


@functools.cache
def _metrics_model() -> type[BaseModel]:
    """Return the model of the metrics in ``full.json`` that a comparison uses."""
    from pixmill.experiments.compare.numbers import METRIC_NAMES

    figures: dict[str, Any] = {f"{name}{end}": (_Number, None) for name in METRIC_NAMES for end in _SUFFIXES}
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
    import pandas as pd

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
