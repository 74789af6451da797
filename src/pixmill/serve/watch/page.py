"""The page ``reports/watch.html``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.files.writing import write_text
from pixmill.dataset.prediction_log import find_images
from pixmill.metrics.arrays import Floats
from pixmill.models.prediction_reasons import meaning
from pixmill.pages import interval_svg, lines_svg, render_page
from pixmill.pages.thumbnails import Thumbnail, each_thumbnail, take_until_full
from pixmill.serve.predict.model import Model
from pixmill.serve.watch.evidence import ALARM
from pixmill.serve.watch.watching import Watch

PAGE = Path("reports", "watch.html")

_POINTS = 30
"""Maximum number of points of a chart by day; each then stands for several days."""

_MOST_POINTS = 400
"""Approximate maximum number of points of the chart of the evidence."""

_MAX_CLASSES = 20
_MAX_CHARTS = 6
_MAX_IMAGES = 12
"""Maximum numbers of classes in the table, and with a chart, and of images in a strip."""

_MAX_IMAGE_BYTES = 2_000_000

_LOWEST = -1.0
_HIGHEST = 6.0
"""Limits of the axis of the evidence, as decimal logarithms of the odds."""


def write_page(root: Path, found: Watch, outcome: dict[str, Any]) -> Path:
    """Write the page, and return its path.

    Args:
        root: Project folder.
        found: What the log says.
        outcome: Result of :func:`pixmill.serve.watch.outcome.document`.
    """
    charts = list(_charts(found, _measures(found.rows), _measures(found.known)))
    classes = _charts(
        found,
        _shown(found.rows["predicted"], found.model),
        _shown(found.known["predicted"], found.model),
    )
    strips = _strips(found)
    page = render_page(
        "pixmill.serve.watch",
        "watch.html",
        root=root,
        found=found,
        outcome=outcome,
        volume=_volume(found),
        charts=charts,
        classes=sorted(classes, key=lambda chart: -chart[0])[:_MAX_CHARTS],
        shares=_shares(found),
        n_shares=_MAX_CLASSES,
        evidence=_evidence(found),
        odds=_odds,
        quote=quote,
        broken={meaning(reason): n for reason, n in found.broken.items()},
        strips=strips,
        uris=_images(found, strips),
    )
    write_text(root / PAGE, page)
    return root / PAGE


def _odds(evidence: float) -> str:
    """Return odds in favour, such as ``20:1``; at most a million."""
    odds = math.exp(min(evidence, _HIGHEST * math.log(10)))
    return f"{odds:,.{int(odds < 10)}f}:1"


def _measures(rows: pd.DataFrame) -> Iterator[tuple[str, Floats]]:
    """Yield the title and the values of each measure."""
    yield "Sure (%)", 100 * rows["sure"].to_numpy(float)
    yield "Unlike the training images (%)", 100 * rows["unlike"].to_numpy(float)
    yield "Confidence (%)", 100 * rows["confidence"].to_numpy(float)
    yield "Brightness (0 to 255)", rows["brightness"].to_numpy(float)
    yield "Sharpness", rows["sharpness"].to_numpy(float)
    yield "Longer side (pixels)", rows[["width", "height"]].max(axis=1).to_numpy(float)


def _shown(texts: pd.Series, model: Model) -> Iterator[tuple[str, Floats]]:
    """Yield each label, and 100 for the images that have it, else 0."""
    codes, distinct = pd.factorize(texts)
    named = [model.head.labels_of(text) for text in distinct]
    for label in model.labels:
        yield label, np.array([100.0 * (label in each) for each in named])[codes]


def _days(found: Watch, times: pd.Series) -> pd.Series:
    """Return times as days from the last one, at most 0."""
    return (times - found.rows["time"].max()) / timedelta(days=1)


def _bins(found: Watch) -> pd.Series:
    """Return the day of each row, or the last of several that a point stands for, from 0 down."""
    days = found.rows["time"].dt.normalize()
    ago = (days.max() - days).dt.days
    size = 1 + int(ago.max()) // _POINTS
    return -(ago // size) * size


def _draw(found: Watch, lines: dict[str, Any], **options: Any) -> str:
    last = found.rows["time"].max()
    form = "%m-%d" if last - found.rows["time"].min() < timedelta(days=200) else "%Y-%m"
    return lines_svg(
        lines,
        x_label="",
        x_words=lambda day: f"{last + timedelta(days=day):{form}}",
        **options,
    )


def _volume(found: Watch) -> str:
    bins = _bins(found)
    points = [*bins.value_counts().sort_index().items()]
    return _draw(found, {"images": points}, name="Images by day", y_end=0)


def _charts(
    found: Watch, new: Iterator[tuple[str, Floats]], known: Iterator[tuple[str, Floats]]
) -> Iterator[tuple[float, str, str]]:
    """Yield how much each measure differs, its title, and its chart by day.

    The band is where 95 % of the means of a day lie if images are like the test images.
    """
    bins = _bins(found).to_numpy()
    for (title, values), (_, test) in zip(new, known, strict=True):
        if np.isnan(values).all() or np.isnan(test).all():
            continue
        days = pd.Series(values).groupby(bins).agg(["mean", "count"])
        mean = np.nanmean(test)
        spread = 1.96 * np.nanstd(test) * np.sqrt(1 / days["count"].clip(1) + 1 / len(test))
        limits = [(mean + sign * spread).clip(np.nanmin(test), np.nanmax(test)) for sign in (-1, 1)]
        chart = _draw(
            found,
            {"mean": [*days["mean"].dropna().items()]},
            name=f"{title} by day",
            band=[*zip(days.index, *limits, strict=True)],
        )
        yield abs(np.nanmean(values) - mean) / (np.nanstd(test) + 1), title, chart


def _shares(found: Watch) -> list[dict[str, Any]]:
    """Return the share of each label in per cent, those that changed most first."""
    new = _shown(found.latest["predicted"], found.model)
    known = _shown(found.known["label"], found.model)
    rows = []
    for (label, predicted), (_, actual) in zip(new, known, strict=True):
        if label in found.shares:
            gap = 100 * np.array(found.shares[label]) - actual.mean()
            row = {"label": label, "test": actual.mean(), "predicted": predicted.mean()}
            rows.append({**row, "gap": gap, "estimate": found.shares[label]})
    extent = max((np.abs(row["gap"]).max() for row in rows), default=1.0)
    for row in rows:
        value, low, high = row["gap"]
        is_other = low > 0 or high < 0
        row["chart"] = interval_svg(
            low,
            value,
            high,
            extent=extent,
            name=f"{value:+.1f} points",
            kind="bad" if is_other else "",
        )
    return sorted(rows, key=lambda row: -abs(row["gap"][0]))


def _evidence(found: Watch) -> str:
    """Return the evidence over time with the line of an alarm; empty without any."""
    evidence = np.clip(found.difference.evidence / math.log(10), _LOWEST, _HIGHEST)
    if not len(evidence):
        return ""
    days = _days(found, found.difference.times)
    step = 1 + len(evidence) // _MOST_POINTS
    alarm = ALARM / math.log(10)
    return _draw(
        found,
        {
            "evidence": [*zip(days[::-step][::-1], evidence[::-step][::-1], strict=True)],
            "alarm": [(days.iloc[0], alarm), (days.iloc[-1], alarm)],
        },
        name="Evidence that the images differ",
        y_words=lambda power: _odds(power * math.log(10)),
    )


def _strips(found: Watch) -> dict[str, pd.DataFrame]:
    """Return rows whose images are shown, by title; empty if the log keeps no images."""
    rows = found.latest
    rows = rows[rows["id"].isin(find_images(found.folder).keys())]
    strange = rows["novelty"].fillna(1 - rows["confidence"])
    if found.difference.begun is not None:
        # After an alarm: by the classifier of old against new images.
        p = found.record.set_index("id")["p"]
        strange = 1 - rows["id"].map(p)[rows["time"] >= found.difference.begun].dropna()
    strange = strange.sort_values(ascending=False)
    strips = {
        "Strangest": rows.loc[strange.index[:_MAX_IMAGES]],
        "Most typical": rows.loc[strange.index[_MAX_IMAGES:][::-1][:_MAX_IMAGES]],
        "Doubtful": rows.sort_values("confidence").head(_MAX_IMAGES),
    }
    return {title: each for title, each in strips.items() if len(each)}


def _images(found: Watch, strips: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Return the ``data:`` URIs of images by id."""
    files = find_images(found.folder)
    ids = list(dict.fromkeys(name for rows in strips.values() for name in rows["id"]))
    made = each_thumbnail(Thumbnail(name, files[name], size=128) for name in ids)
    return take_until_full(zip(ids, made, strict=True), _MAX_IMAGE_BYTES)
