"""What DVC draws of the data: small tables, aggregated, which a reviewer diffs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pixmill.params import ValidateParams
from pixmill.validate.dimensions import dimension_table
from pixmill.validate.distributions import Distribution, distributions
from pixmill.validate.validation import Validation

__all__ = ["plot_tables"]

_SIDES = ("width", "height", "short_side")
_MEASURES = ("aspect_ratio", "brightness", "sharpness", "entropy")


def plot_tables(validation: Validation, params: ValidateParams) -> dict[str, str]:
    """Return what ``plots/validate/<name>.csv`` hold, by name.

    Args:
        validation: What the stage found.
        params: What it was run with.

    Returns:
        ``classes``: kept pictures of each label. ``dimensions``: see
        :func:`pixmill.validate.dimensions.dimension_table`. ``sides``: how many kept pictures have a width, a height
        and a shorter side from ``pixels`` on. ``aspect_ratio``, ``brightness``, ``sharpness`` and ``entropy``: how many
        kept and how many dropped pictures have a value from ``value`` on, up to that of the next line.
    """
    found = {item.scale.name: item for item in distributions(validation.manifest, params)}
    labels = list(validation.classes["label"])
    return {
        "classes": _csv(validation.classes[["label", "n"]]),
        "dimensions": _csv(dimension_table(validation.manifest, labels)),
        "sides": _csv(_sides([found[name] for name in _SIDES])),
        **{name: _csv(_measure(found[name].trimmed())) for name in _MEASURES},
    }


def _sides(found: list[Distribution]) -> pd.DataFrame:
    """Return the three sides in the bins that any of them fills."""
    counts = np.array([item.kept for item in found])
    used = np.flatnonzero(counts.any(axis=0))
    # A line has two ends, and an empty table draws nothing.
    first, last = (max(0, used[0] - 1), used[-1] + 2) if len(used) else (0, 2)
    table = pd.DataFrame({"pixels": np.array(found[0].scale.edges[:-1], dtype=int)})
    return table.assign(**{item.scale.name: item.kept for item in found}).iloc[first:last]


def _measure(found: Distribution) -> pd.DataFrame:
    return pd.DataFrame({"value": found.scale.edges[:-1], "kept": found.kept, "dropped": found.dropped})


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
