"""The outcome of a look at a log: a sentence, what to do, and JSON for programs and the home page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any

from pixmill.core.files.writing import significant, write_text
from pixmill.core.words import count, percent
from pixmill.dataset.prediction_log import find_images
from pixmill.serve.watch import LAST, RETRAIN
from pixmill.serve.watch.asking import candidates
from pixmill.serve.watch.record import Judged, is_recent
from pixmill.serve.watch.watching import Watch

_SILENCE = timedelta(days=7)
"""Time without an image that is worth a word."""

_CLEAR = 0.5
"""Change of a measure that is worth a word, in standard deviations of the test images."""

_STEP = 60
"""Number of images to label at a time."""

_ENOUGH = 200
"""Number of answers after which no more are asked for if no fall was found."""

_CLOSE = 0.05
"""Fall of the accuracy up to which fewer answers are enough."""


def document(found: Watch) -> dict[str, Any]:
    """Return the outcome, ready for JSON; ``docs/reference/json.md`` lists its keys."""
    begun = found.difference.begun
    week = found.rows["time"] > datetime.now(UTC) - timedelta(days=7)
    advice, command = _next(found)
    shadow = found.shadow
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sentence": _sentence(found),
        "alarm": found.is_alarm,
        "advice": advice,
        "command": command,
        "model": found.model.identity,
        "log": str(found.folder),
        "images": len(found.rows),
        "week": int(week.sum()),
        "others": found.others,
        "broken": found.broken,
        "differs": {
            "since": begun and begun.isoformat(),
            "only_shares": found.difference.only_shares,
        },
        "accuracy": found.accuracy and found.accuracy._asdict(),
        "withheld": found.withheld,
        "shares": {label: each._asdict() for label, each in found.shares.items()},
        "waiting": int(found.answers["waiting"].sum()),
        "labelled": _counts(found.labelled),
        "shadow": shadow and _counts(shadow),
    }


def _counts(judged: Judged) -> dict[str, Any]:
    return {
        "answered": len(judged.right),
        "right": int(judged.right.sum()),
        "waiting": judged.waiting,
        "dropped": judged.dropped,
        "decided": judged.is_decided,
    }


def save_outcome(root: Path, outcome: dict[str, Any]) -> None:
    """Keep the outcome for the home page."""
    write_text(root / LAST, json.dumps(significant(outcome), ensure_ascii=False) + "\n")


def _sentence(found: Watch) -> str:
    """Return what was found: a sentence for each part."""
    labelled = found.labelled
    begun = found.difference.begun
    parts = []
    if labelled.is_decided:
        parts.append(
            f"the accuracy fell: {labelled.right.sum()} of {len(labelled.right)} random images are "
            f"right, but {percent(found.known['right'].mean())} of the test images"
        )
    usual = "accepted images" if found.record["accepted"].any() else "test images"
    if begun is not None:
        what = f"are unlike the {usual}{_change(found)}"
        if found.difference.only_shares:
            what = f"have other shares of the classes than the {usual}"
        parts.append(f"since {begun:%Y-%m-%d}, images {what}")
    if not parts:
        compared = int(is_recent(found.record).sum())
        parts.append(f"no alarm: no difference from the {usual} in {count(compared, 'image')}")
    if found.shadow is not None and found.shadow.is_decided:
        side = "better" if found.shadow.right.mean() > 0.5 else "worse"
        parts.append(f"the second model is {side}")
    last = found.rows["time"].max()
    if last < datetime.now(UTC) - _SILENCE:
        parts.append(f"no image came since {last:%Y-%m-%d}")
    if found.accuracy is not None:
        low = f"{100 * found.accuracy.low:.0f}"
        parts.append(f"estimated accuracy {low} to {percent(found.accuracy.high, 0)}")
    if found.others:
        parts.append(f"{count(found.others, 'prediction')} of other models left out")
    return f"{found.model.title}: {'; '.join(parts)}."


def _change(found: Watch) -> str:
    """Return which measure of the images changed most since they differ; empty if hardly any."""
    names = ["brightness", "sharpness", "width", "height"]
    known = found.known[names]
    new = found.rows.loc[found.rows["time"] >= found.difference.begun, names].mean()
    change = ((new - known.mean()) / known.std().clip(lower=1)).abs()
    name = str(change.idxmax())
    if change[name] < _CLEAR:
        return ""
    return f" ({name} {new[name]:.0f} instead of {known[name].mean():.0f})"


def _next(found: Watch) -> tuple[str, str | None]:
    """Return what to do in an alarm, and its command; each step leads on, until none is left."""
    if not found.is_alarm:
        return "", None
    log = quote(str(found.folder))
    labelled = found.labelled
    kept = find_images(found.folder)
    asked = found.answers[found.answers["sample"] == "doubtful"]
    if labelled.is_decided:
        if asked["waiting"].any() or (asked.empty and candidates(found, "doubtful", kept)):
            return "label images for the next training", f"pixmill watch {log} --doubtful 200"
        return "train with the labels, and promote the model", RETRAIN
    if not labelled.waiting and _is_enough(found):
        what = f"no fall found in {count(len(labelled.right), 'label')}: take the images as usual"
        return what, f"pixmill watch {log} --accept"
    if labelled.waiting or candidates(found, "random", kept):
        what = "label random images to see if the accuracy holds"
        if labelled.waiting:
            what = "label the images that people were asked about"
        return what, f"pixmill watch {log} --label {_STEP}"
    return "keep images, to label some of them", f"pixmill serve --log {log} --log-images"


def _is_enough(found: Watch) -> bool:
    """Return whether people's answers show no fall, or hardly one."""
    right = found.labelled.right
    if len(right) < _STEP:
        return False
    return len(right) >= _ENOUGH or right.mean() > found.known["right"].mean() - _CLOSE
