"""The metrics and training curves of a revision, read within bounds: their author may not be trusted."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pixmill.core.repository.documents import MalformedError, describe_error

if TYPE_CHECKING:
    import pandas as pd

_JSON = 8 << 20
"""The most bytes of metrics."""

_CURVES = 1 << 20
_COLUMNS = 100
"""The most bytes, and columns, of training curves."""

_Number = Annotated[float, Field(allow_inf_nan=False)] | None
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None

_ENDS = ("", "_low", "_high")
"""Of the names of a figure and its limits."""


@functools.cache
def _metrics_model() -> type[BaseModel]:
    """Return the model of the figures in ``full.json`` that a comparison uses."""
    from pixmill.experiments.compare.numbers import METRIC_NAMES

    figures: dict[str, Any] = {f"{name}{end}": (_Number, None) for name in METRIC_NAMES for end in _ENDS}
    figures |= {f"covered_accuracy{end}": (_Share, None) for end in _ENDS}
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
    """Return the figures of a ``plots/evaluate/full.json`` that a comparison uses.

    Raises:
        MalformedError: It is no JSON, too large, or a figure is no finite number.
    """
    if len(content) > _JSON:
        raise MalformedError(f"is larger than {_JSON >> 20} MiB")
    try:
        return _metrics_model().model_validate_json(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise MalformedError(describe_error(error)) from None


def read_curves(content: bytes | None) -> pd.DataFrame:
    """Return training curves, of which a comparison can do without: nothing where they are no such table."""
    import pandas as pd

    if content is None or len(content) > _CURVES or content.partition(b"\n")[0].count(b",") >= _COLUMNS:
        return pd.DataFrame()
    try:
        return pd.read_csv(io.BytesIO(content))
    except ValueError:  # another revision may keep something else there
        return pd.DataFrame()
