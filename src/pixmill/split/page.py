"""The stage's page for people: what is expected and holds, what lies where, what was dropped and why."""

from __future__ import annotations

from pathlib import Path

from pixmill.compute import Limits
from pixmill.expectations import failures
from pixmill.params import SplitParams
from pixmill.parts import PARTS
from pixmill.report import render_page
from pixmill.report.thumbnails import thumbnails
from pixmill.split.cards import Deck
from pixmill.split.counts import metrics
from pixmill.split.gaps import count_by
from pixmill.split.splitting import Split

__all__ = ["render_report"]

_ROWS = 400
"""Classes that tables list."""

_FOLDS = 20
"""Folds that a table has a column for."""


def render_report(
    split: Split, params: SplitParams, limits: Limits, *, folder: Path, workers: int | None = None
) -> str:
    """Return the page as HTML: under 5 MB, whatever the number of pictures.

    Args:
        split: What the stage found.
        params: The section ``split``.
        limits: What one picture may take.
        folder: What the paths in the manifest are relative to.
        workers: Processes that decode; default: one a processor.
    """
    deck = Deck(split, folder, params)
    lost, samples = list(deck.lost()), deck.samples()
    met = [card for item in lost for meeting in item.meetings for card in (meeting.gone, meeting.stays)]
    cards = [*met, *(card for sample in samples.values() for card in sample)]
    counts = count_by(split.manifest, "split", PARTS, split.classes)
    sizes = {part: sum(counts[part].values()) for part in PARTS}
    stopping = failures(split.outcomes)
    places, more_places = deck.places()
    groups, more_groups = deck.groups()
    return render_page(
        "pixmill.split",
        "report.html",
        figures=metrics(split),
        outcomes=sorted(split.outcomes, key=lambda outcome: (outcome.success, outcome not in stopping)),
        gaps=split.gaps,
        stopped=bool(stopping or split.gaps),
        warned=any(not outcome.success for outcome in split.outcomes),
        parts=list(sizes.items()),
        total=sum(sizes.values()),
        most=_ROWS,
        classes=[(label, [counts[part][label] for part in PARTS]) for label in split.classes[:_ROWS]],
        more_classes=len(split.classes) - _ROWS,
        folds=_folds(split),
        more_folds=(split.folds or 0) - _FOLDS,
        lost=lost,
        samples=samples,
        places=places,
        more_places=more_places,
        groups=groups,
        more_groups=more_groups,
        params=params,
        uris=thumbnails((card.shown for card in cards), limits=limits, workers=workers),
    )


def _folds(split: Split) -> list[tuple[str | int, ...]]:
    """Return one row a class with its pictures in each fold, and one of all."""
    if split.folds is None:
        return []
    shown = range(min(split.folds, _FOLDS))
    counts = count_by(split.manifest, "fold", shown, split.classes)
    rows: list[tuple[str | int, ...]] = [
        (label, *(counts[fold][label] for fold in shown)) for label in split.classes[:_ROWS]
    ]
    return [*rows, ("all", *(sum(counts[fold].values()) for fold in shown))]
