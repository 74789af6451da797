"""The stage's page for people: the gate's verdict first, then what it rests on."""

from __future__ import annotations

from pathlib import Path

from pixmill.params import ValidateParams
from pixmill.report import render_page
from pixmill.validate.cards import Deck, shorten
from pixmill.validate.counts import metrics
from pixmill.validate.decisions import Decision
from pixmill.validate.gate import failures
from pixmill.validate.measures import Picture
from pixmill.validate.thumbnails import thumbnails
from pixmill.validate.validation import Validation

__all__ = ["render_report"]

_SHEETS = 40
"""Classes of which a sample is shown."""

_ROWS = 200
"""Rows of a table that are shown."""


def render_report(validation: Validation, *, folder: Path, params: ValidateParams, workers: int | None = None) -> str:
    """Return the page as HTML: under 5 MB, whatever the number of pictures.

    Args:
        validation: What the stage found.
        folder: What the paths in the manifest are relative to.
        params: What the stage was run with.
        workers: Processes that decode; default: one a processor.
    """
    deck = Deck(validation)
    offenders, near = list(deck.offenders()), deck.near()
    repeated, more_repeated = deck.repeated()
    sheets = {label: deck.sample(label) for label in validation.classes["label"][:_SHEETS]}
    sides = [side for item in offenders for side in item.sides] + near
    # Where the page is full, what comes last has no thumbnail.
    cards = [
        *(card for item in offenders for card in item.cards),
        *(card for side in sides for card in side.cards),
        *(card for sheet in sheets.values() for card in sheet),
    ]
    pictures = (
        Picture(card.id, folder / deck.path(card.id), params.max_pixels) for card in cards if deck.is_readable(card.id)
    )
    stopping = failures(validation.outcomes)
    classes = validation.classes.to_dict("records")
    followed = sorted(validation.review.followed.values(), key=lambda decision: decision.line)
    return render_page(
        "pixmill.validate",
        "report.html",
        figures=metrics(validation),
        outcomes=sorted(validation.outcomes, key=lambda outcome: (outcome.success, outcome not in stopping)),
        stopped=bool(stopping),
        classes=classes,
        counts=[(row["label"], row["n"]) for row in classes[:_ROWS]],
        most=_ROWS,
        offenders=offenders,
        dropped=[(item.reason, item.count) for item in offenders],
        near=near,
        repeated=[(item.card.id[:12], item.card.lines[0], item.count, item.places) for item in repeated],
        more_repeated=more_repeated,
        followed=[(*_told(item), item.label or None, shorten(item.by), shorten(item.why)) for item in followed[:_ROWS]],
        more_followed=len(followed) - _ROWS,
        powerless=[(*_told(item), why) for item, why in validation.review.powerless[:_ROWS]],
        sheets=sheets,
        shorten=shorten,
        uris=thumbnails(pictures, workers=workers),
    )


def _told(decision: Decision) -> tuple[int, str, str]:
    return decision.line, shorten(decision.picture), decision.verb
