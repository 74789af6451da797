"""The page ``reports/watch.html``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.files.writing import write_text
from pixmill.dataset.prediction_log import find_images
from pixmill.models.prediction_reasons import meaning
from pixmill.pages import lines_svg, render_page
from pixmill.pages.thumbnails import Thumbnail, each_thumbnail
from pixmill.serve.watch.evidence import ALARM
from pixmill.serve.watch.watching import Watch

_POINTS = 30
"""Maximum number of days of a chart with a point for each; else each stands for several."""

_MOST_POINTS = 500
"""Approximate maximum number of points of the evidence."""

_MAX_IMAGES = 12
"""Maximum number of images in a strip."""


def write_page(root: Path, found: Watch, outcome: dict[str, Any]) -> None:
    """Write the page.

    Args:
        root: Project folder.
        found: What the log says.
        outcome: Result of :func:`pixmill.serve.watch.outcome.document`.
    """
    new, known = (np.vstack([*rows["probabilities"]]).T for rows in (found.rows, found.known))
    files = find_images(found.folder)
    rows = found.latest[found.latest["id"].isin([*files])]
    strange = rows.loc[rows["novelty"].fillna(1 - rows["confidence"]).sort_values().index]
    strips = {
        "strange": strange[::-1][:_MAX_IMAGES],
        "typical": strange[:_MAX_IMAGES],
    }
    ids = {*pd.concat(strips.values())["id"]}
    images = each_thumbnail(Thumbnail(name, files[name], size=128) for name in ids)
    order = np.argsort(-np.abs(new.mean(axis=1) - known.mean(axis=1)))
    labels = found.known["label"].map(found.model.head.labels_of).explode()
    before = labels.value_counts() / len(found.known)
    page = render_page(
        "pixmill.serve.watch",
        "watch.html",
        root=root,
        found=found,
        outcome=outcome,
        measure=_measure,
        new=new,
        known=known,
        order=order,
        before=before,
        changed=[place for place in order if _changes(found, before, found.model.labels[place])],
        evidence=_evidence(found),
        meaning=meaning,
        strips=strips,
        uris=dict(zip(ids, images, strict=True)),
        quote=quote,
    )
    write_text(root / "reports/watch.html", page)


def _changes(found: Watch, before: pd.Series, label: str) -> bool:
    """Return whether the estimated share of a label differs from that among the test images."""
    share = found.shares.get(label)
    return share is not None and not share.low <= before.get(label, 0) <= share.high


def _draw(found: Watch, name: str, lines: dict[str, Any], **options: Any) -> str:
    """Return a chart over days from the last image, at most 0."""
    last = found.rows["time"].max()
    return lines_svg(
        lines,
        name=name,
        x_label="",
        x_words=lambda day: f"{last + timedelta(day):%m-%d}",
        **options,
    )


def _days(found: Watch, times: pd.Series) -> pd.Series:
    return pd.Series((times - found.rows["time"].max()) / timedelta(1))


def _measure(found: Watch, name: str, new: pd.Series, known: pd.Series | None = None) -> str:
    """Return a chart of the mean by day.

    The band has 95 % of the means if images are like the test images. Without ``known``, the chart
    is of the number of images.
    """
    days = _days(found, found.rows["time"])
    size = 1 + days.min() // -_POINTS
    groups = pd.Series(np.array(new, float)).groupby(np.ceil(days / size) * size)
    if known is None:
        return _draw(found, name, {name: [*groups.size().items()]}, y_end=0)
    means = groups.mean()
    test = np.array(known, float)
    spread = 1.96 * test.std() * np.sqrt(1 / groups.size() + 1 / len(test))
    low, high = ((test.mean() + limit).clip(test.min(), test.max()) for limit in (-spread, spread))
    band = [
        (day + side, low[day], high[day]) for day in means.index for side in (-size / 2, size / 2)
    ]
    dots = {name: [0.02] * len(means)}  # they show a single day
    return _draw(found, name, {name: [*means.items()]}, band=band, dots=dots)


def _evidence(found: Watch) -> str:
    """Return a chart of the evidence, with the line of an alarm; empty without any."""
    step = 1 + len(found.difference.times) // _MOST_POINTS
    days = _days(found, found.difference.times[::step])
    if not len(days):
        return ""
    powers = (found.difference.evidence[::step] / np.log(10)).clip(-1, 3)
    alarm = ALARM / np.log(10)
    lines = {"evidence": [*zip(days, powers, strict=True)], "alarm": [(day, alarm) for day in days]}
    return _draw(found, "Odds that the images differ", lines, y_words=_odds)


def _odds(power: float) -> str:
    return f"{10**power:.0f}:1" if power >= 0 else f"1:{10**-power:.0f}"
