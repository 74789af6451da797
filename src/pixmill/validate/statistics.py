"""Metrics of validate, and distributions of dimensions and measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import by_label
from pixmill.core.expectations import verdicts_by_name, warnings
from pixmill.core.manifest import given_test
from pixmill.core.params import ValidateParams
from pixmill.validate.reasons import word
from pixmill.validate.sightings import PARTS
from pixmill.validate.tables import blur_limit
from pixmill.validate.validation import Validation


def metrics(validation: Validation) -> dict[str, Any]:
    """Return the content of ``plots/validate/full.json``.

    Returns:
        ``n`` images, ``kept`` images, ``dropped.<reason>``, ``class_counts.<label>`` (kept),
        ``gate.<check>`` (True if passed), ``near_duplicates.{pairs,groups,largest_group}`` among
        kept images, ``conflicts`` and ``placeholders`` (distinct images) and ``leaks`` without a
        decision, ``shortcuts.<property>`` (skill), ``warnings.<kind>``, and with predefined test
        images ``given_test`` (:func:`pixmill.core.manifest.given_test`), with TIFF files of several
        pages ``unused_pages``, with images of more than 8 bits ``window.{images,black,white}``, and
        with series of images ``series`` (:class:`pixmill.validate.series.Series`, with its
        ``sentence``). Unlabelled images count only in ``unlabelled.{images,near_duplicates}`` (of
        labelled images), if there are any. With several labels an image, also the figures of
        :meth:`pixmill.validate.labelling.SeveralLabels.figures`.
    """
    manifest = validation.judged
    dropped = manifest["reason"].dropna().map(word).value_counts()
    sizes = manifest["group"].value_counts()
    kinds = validation.repeated["kind"].value_counts()
    found: dict[str, Any] = {
        "n": len(manifest),
        "kept": int((manifest["verdict"] == "keep").sum()),
        "dropped": dropped.to_dict(),
        "class_counts": validation.classes.set_index("label")["n"].to_dict(),
        "gate": verdicts_by_name(validation.outcomes),
        "near_duplicates": {
            "pairs": len(validation.pairs),
            "groups": int((sizes > 1).sum()),
            "largest_group": int(sizes.max()) if len(sizes) else 0,
        },
        "conflicts": int(kinds.get("conflict", 0)),
        "placeholders": int(kinds.get("placeholder", 0)),
        "leaks": validation.leaks["id"].nunique(),
        "shortcuts": validation.shortcuts.set_index("property")["skill"].to_dict(),
        "warnings": {
            "decisions_not_followed": len(validation.review.powerless),
            "expectations_failed": len(warnings(validation.outcomes)),
            "near_duplicates_across_labels": len(validation.pairs_across_labels()),
        },
    }
    found |= validation.labelling.figures(validation.manifest, validation.classes)
    if validation.unlabelled.any():
        pile = validation.manifest[validation.unlabelled]
        alike = int((pile["group"] != pile["id"]).sum())
        found["unlabelled"] = {"images": len(pile), "near_duplicates": alike}
    if given := given_test(manifest):
        found["given_test"] = given
    if validation.unused_pages:
        found["unused_pages"] = validation.unused_pages
    if validation.window:
        black, white = validation.window
        found["window"] = {"images": len(validation.values), "black": black, "white": white}
    if validation.series:
        found["series"] = vars(validation.series) | {"sentence": validation.series.sentence()}
    return found


DIMENSIONS = ("width", "height", "short_side", "aspect_ratio")
"""Columns of the manifest in :func:`dimension_table`: pixels, and the ratio of width to height."""

_STATISTICS = ("min", "mean", "max")


def dimension_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the dimensions of kept images, one row per class.

    With several predefined splits, there is one row per class and split, labelled ``coat, train``;
    the row ``coat`` is for images without a predefined split.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`.
        classes: The classes.

    Returns:
        ``label``, ``n`` (kept images), and for each of :data:`DIMENSIONS` ``_min``, ``_mean`` and
        ``_max``, rounded to four decimals; NaN for classes without images.
    """
    kept = manifest.loc[manifest["verdict"] == "keep", ["label", "given_split", *DIMENSIONS]]
    kept = kept.astype(dict.fromkeys(DIMENSIONS, float))
    given = kept.pop("given_split").fillna("")
    parts = [part for part in PARTS if (given == part).any()]
    if len(parts) > 1:
        kept["label"] += given.where(given == "", ", " + given)
    aggregates = {
        f"{name}_{statistic}": (name, statistic) for name in DIMENSIONS for statistic in _STATISTICS
    }
    grouped = kept.groupby("label", observed=True)
    rows = [f"{label}, {part}" if part else label for label in classes for part in parts]
    table = pd.DataFrame({"label": rows if len(parts) > 1 else list(classes)})
    table["n"] = table["label"].map(grouped.size()).fillna(0).astype(int)
    return table.join(grouped.agg(**aggregates).round(4), on="label")


_MIN_BINS = 12
"""Approximate minimum number of bins in a chart."""

Counts = npt.NDArray[np.int64]
Edges = tuple[float, ...]


@dataclass(frozen=True)
class Distribution:
    """Histogram of a measure.

    Args:
        name: Column of the manifest.
        title: Title on the page, with unit.
        edges: Edges of the bins, ascending; values outside count in the first or last bin.
        ticks: Labelled values of the chart.
        limits: Thresholds of the checks, if any.
        kept: Number of kept images per bin.
        dropped: Number of dropped images per bin, without unreadable ones.
    """

    name: str
    title: str
    edges: Edges
    ticks: Edges
    limits: Edges
    kept: Counts
    dropped: Counts

    def trim(self) -> Distribution:
        """Return the histogram without empty bins at both ends; bins with thresholds are kept."""
        full = np.flatnonzero(self.kept + self.dropped)
        if not len(full):
            return self
        marks = _bins(np.array(self.limits, dtype=np.float64), self.edges)
        first, last = (int(pick([*full, *marks])) for pick in (min, max))
        # Add a margin, because a single bar has no visible scale.
        margin = max(1, (_MIN_BINS - (last - first)) // 2)
        first = max(0, first - margin)
        last = min(len(self.kept), last + margin + 1)
        kept = self.kept[first:last]
        dropped = self.dropped[first:last]
        return replace(self, edges=self.edges[first : last + 1], kept=kept, dropped=dropped)


def distributions(manifest: pd.DataFrame, params: ValidateParams) -> list[Distribution]:
    """Return the histogram of each measure over the readable images, in the order of the page.

    Sides, ratios and sharpness have logarithmic bins. All edges are constants, so a diff of two
    versions shows only changed images.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`.
        params: Thresholds of the checks.
    """
    kept = (manifest["verdict"] == "keep").to_numpy(dtype=bool)
    sharpness = manifest["sharpness"].dropna().to_numpy(np.float64)
    limit = blur_limit(sharpness, params.blurred.min_sharpness)
    size = params.image_size
    ratio = params.aspect_ratio.max_ratio

    def count(name: str, title: str, edges: Edges, ticks: Edges, *limits: float) -> Distribution:
        counts = (_counts(manifest.loc[chosen, name], edges) for chosen in (kept, ~kept))
        return Distribution(name, title, edges, ticks, limits, *counts)

    return [
        count("width", "Width (px)", _SIDES, _POWERS, size.min_width),
        count("height", "Height (px)", _SIDES, _POWERS, size.min_height),
        count("short_side", "Shorter side (px)", _SIDES, _POWERS),
        count(
            "aspect_ratio",
            "Aspect ratio (width / height)",
            _RATIOS,
            _RATIO_TICKS,
            round(1 / ratio, 4),
            ratio,
        ),
        count(
            "brightness", "Brightness (0 to 255)", _TONES, _TONE_TICKS, params.dark.min_brightness
        ),
        count("contrast", "Contrast (0 to 128)", _HALF_TONES, (0, 32, 64, 96, 128)),
        count("sharpness", "Sharpness (variance of the Laplacian)", _ENERGIES, _TENS, limit),
        count("entropy", "Entropy (bits)", _BITS, (0, 2, 4, 6, 8), params.blank.min_entropy),
        count("border", "Uniform border (share of the image)", _SHARES, (0, 0.25, 0.5, 0.75, 1)),
    ]


def _counts(values: pd.Series[float], edges: Sequence[float]) -> Counts:
    present = values.dropna().to_numpy(dtype=np.float64)
    return np.bincount(_bins(present, edges), minlength=len(edges) - 1)


def _bins(values: npt.NDArray[np.floating], edges: Sequence[float]) -> npt.NDArray[np.int64]:
    """Return the bin of each value; bins include their lower edge."""
    return np.clip(np.searchsorted(np.array(edges), values, side="right") - 1, 0, len(edges) - 2)


_SIDES = (1.0, *(float(round(2 ** (step / 4))) for step in range(12, 65)))
"""Four bins per octave from 8 to 65,536 pixels, rounded to whole pixels."""

_RATIOS = tuple(round(2 ** (step / 8), 4) for step in range(-25, 27, 2))
"""Four bins per octave from about 1:9 to 9:1; a square is in the middle of a bin."""

_TONES = tuple(float(edge) for edge in range(0, 257, 8))
_HALF_TONES = tuple(float(edge) for edge in range(0, 129, 4))
_BITS = tuple(edge / 4 for edge in range(33))
_SHARES = tuple(round(edge / 20, 2) for edge in range(21))
_ENERGIES = (0.0, *(float(round(10 ** (step / 4), 1)) for step in range(25)))
"""Four bins per power of ten, from 1 to 1,000,000."""

_POWERS = tuple(float(2**power) for power in range(3, 17))
_TENS = tuple(float(10**power) for power in range(7))
_RATIO_TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8)
_TONE_TICKS = (0.0, 64.0, 128.0, 192.0, 255.0)


_SIDE_COLUMNS = ("width", "height", "short_side")
_PLOTTED = ("aspect_ratio", "brightness", "sharpness", "entropy")


def plot_tables(validation: Validation, params: ValidateParams) -> dict[str, str]:
    """Return the contents of ``plots/validate/<name>.csv`` by name.

    Args:
        validation: Results of the stage.
        params: The section ``validate``.

    Returns:
        ``classes``: kept images per class. ``dimensions``: see :func:`dimension_table`. ``sides``:
        kept images by width, height and shorter side in bins that begin at ``pixels``.
        ``aspect_ratio``, ``brightness``, ``sharpness`` and ``entropy``: kept and dropped images in
        bins that begin at ``value``.
    """
    found = {item.name: item for item in distributions(validation.judged, params)}
    labels = list(validation.classes["label"])
    return {
        "classes": _csv(validation.classes[["label", "n"]]),
        "dimensions": _csv(dimension_table(by_label(validation.manifest), labels)),
        "sides": _csv(_sides([found[name] for name in _SIDE_COLUMNS])),
        **{name: _csv(_measure(found[name].trim())) for name in _PLOTTED},
    }


def _sides(found: list[Distribution]) -> pd.DataFrame:
    """Return the histograms of the three sides, without bins that are empty in all of them."""
    counts = np.array([item.kept for item in found])
    used = np.flatnonzero(counts.any(axis=0))
    # Keep at least two rows, because a line needs two points.
    first, last = (max(0, used[0] - 1), used[-1] + 2) if len(used) else (0, 2)
    table = pd.DataFrame({"pixels": np.array(found[0].edges[:-1], dtype=int)})
    return table.assign(**{item.name: item.kept for item in found}).iloc[first:last]


def _measure(found: Distribution) -> pd.DataFrame:
    return pd.DataFrame({"value": found.edges[:-1], "kept": found.kept, "dropped": found.dropped})


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
