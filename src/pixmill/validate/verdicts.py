"""Verdicts: which pictures are kept, and for what reason the others are dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.params import ValidateParams
from pixmill.validate.decisions import Decision
from pixmill.validate.reasons import UNREADABLE, reason, word
from pixmill.validate.sightings import Seen
from pixmill.validate.twins import Twins, find_twins

__all__ = ["Verdicts", "judge"]

Words = npt.NDArray[np.object_]

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Verdicts:
    """Hold the outcome, one place a picture.

    Args:
        reasons: Why each dropped picture was dropped; ``None`` where it is kept.
        labels: The label of each picture, after people's decisions; ``None`` where it has none.
        settled: Whether a person has decided to keep the picture, and it could be followed.
        twins: The sets of pictures that are the same, of those that have a claim to be kept.
        powerless: Decisions that could not be followed, each with why.
    """

    reasons: Words
    labels: Words
    settled: npt.NDArray[np.bool_]
    twins: Twins
    powerless: Sequence[tuple[Decision, str]]

    def words(self) -> Words:
        """Return the words of the reasons, without the ids behind them."""
        words = np.full(len(self.reasons), None, dtype=object)
        dropped = np.flatnonzero(self.reasons != None)  # noqa: E711
        words[dropped] = [word(text) for text in self.reasons[dropped]]
        return words

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Whether each picture is kept."""
        kept: npt.NDArray[np.bool_] = self.reasons == None  # noqa: E711 (place by place)
        return kept

    def without(self, repeats: npt.NDArray[np.int64], ids: pd.Series[str]) -> Verdicts:
        """Return the verdicts where those go that are one of very many near-duplicates.

        One picture stands for them and is kept, unless they carry several labels: then it is a placeholder as they are.

        Args:
            repeats: Of shape (m, 2), rows: each picture that goes, and the one that stands for it.
            ids: The pictures, one a row.
        """
        reasons, (gone, stands) = self.reasons.copy(), repeats.T
        reasons[gone] = [reason("repeated", other) for other in ids.iloc[stands]]
        codes, _ = pd.factorize(self.labels)
        several = np.setdiff1d(stands[codes[gone] != codes[stands]], np.flatnonzero(self.settled))
        reasons[several] = reason("placeholder")
        reasons[gone[np.isin(stands, several)]] = reason("placeholder")
        return replace(self, reasons=reasons)


def judge(
    pictures: pd.DataFrame,
    decisions: Mapping[str, Decision],
    seen: Seen,
    *,
    classes: Collection[str],
    params: ValidateParams,
) -> Verdicts:
    """Return the verdict on every picture.

    The first rule that applies gives the reason:

    1. ``review``: a person dropped it.
    2. It has no pixels: the words of :data:`pixmill.validate.reasons.UNREADABLE`.
    3. ``too_small``, ``format_not_allowed``: a side, or a format that is not taken.
    4. ``placeholder``: the same picture, by bytes or pixels, is at many addresses or under three labels, and under
       more than one label. (Under one label one copy is kept, and the gate names it.)
    5. ``label_conflict``: the same bytes came under two labels.
    6. ``label_undeclared``: its label is not among the classes.
    7. Of pictures with the same pixels: ``label_conflict`` for all where labels differ; else the one that is held out
       longest in a given split is kept, of several the one with the smallest id, and the others are a ``leak`` where
       they lie in an earlier part, or ``duplicate_pixels``.

    A person's ``keep`` or ``relabel`` goes before every rule but these: what has no pixels, or no declared label,
    cannot be trained on; and of the same pixels under two labels not both can be right, whoever says so.

    Args:
        pictures: One row a picture, sorted by id, with ``id``, ``label`` (null where the same bytes came under
            several), ``width``, ``height``, ``format``, ``pixels``, ``failure`` (why it has none) and ``part`` (the
            place of its given part in :data:`pixmill.validate.sightings.PARTS`).
        decisions: People's decisions by id, all of them of pictures that are there.
        seen: Where the pictures were seen.
        classes: The declared labels.
        params: Limits of size and format, and what a placeholder is.
    """
    decided, verbs, labels = _decided(pictures, decisions)
    reasons = _by_itself(pictures, verbs, labels, classes, params)
    settled = ((verbs == "keep") | (verbs == "relabel")) & (reasons == None)  # noqa: E711 (place by place)
    claims = (reasons == None) | (reasons == "label_conflict")  # noqa: E711
    twins = find_twins(pictures, labels, claims=claims, settled=settled, seen=seen, repeats=params.placeholders.repeats)
    _compare(reasons, twins, pictures)
    powerless = [
        (decisions[str(pictures["id"].iat[row])], _lack(reasons[row], labels[row]))
        for row in decided.tolist()
        if reasons[row] is not None and verbs[row] != "drop"
    ]
    settled &= reasons == None  # noqa: E711
    return Verdicts(reasons, labels, settled, twins, powerless)


def _compare(reasons: Words, twins: Twins, pictures: pd.DataFrame) -> None:
    """Add why pictures are dropped for what other pictures there are."""
    ids, parts = pictures["id"], pictures["part"].to_numpy()
    copied = (twins.twin >= 0) & (twins.rival < 0)
    leaked = copied & (parts > 0) & (parts < parts[twins.twin])
    for name, where, others in (
        ("label_conflict", twins.rival >= 0, twins.rival),
        ("leak", leaked, twins.twin),
        ("duplicate_pixels", copied & ~leaked, twins.twin),
    ):
        reasons[where] = [reason(name, other) for other in ids.iloc[others[where]]]
    reasons[np.append(twins.placeholder & twins.several, False)[twins.of]] = reason("placeholder")


def _decided(pictures: pd.DataFrame, decisions: Mapping[str, Decision]) -> tuple[npt.NDArray[np.int64], Words, Words]:
    """Return the rows that people decided on, and each picture's verb (or ``None``) and label."""
    rows = pd.Index(pictures["id"]).get_indexer(pd.Index(list(decisions), dtype=object)) if decisions else _NONE
    verbs = np.full(len(pictures), None, dtype=object)
    labels = _texts(pictures["label"])
    for row, decision in zip(rows.tolist(), decisions.values(), strict=True):
        verbs[row] = decision.verb
        if decision.verb == "relabel":
            labels[row] = decision.label
    return np.sort(rows).astype(np.int64), verbs, labels


def _by_itself(
    pictures: pd.DataFrame, verbs: Words, labels: Words, classes: Collection[str], params: ValidateParams
) -> Words:
    """Return why each picture is dropped, whatever other pictures there are; ``None`` where it is not."""
    failures = _texts(pictures["failure"])
    if strange := set(failures[failures != None]) - set(UNREADABLE):  # noqa: E711
        raise ValueError(f"expected reasons of {', '.join(UNREADABLE)}, received {', '.join(sorted(strange))}")
    open_ = verbs == None  # noqa: E711 (place by place)
    width, height = (pictures[side].to_numpy(np.float64, na_value=np.nan) for side in ("width", "height"))
    small = (width < params.image_size.min_width) | (height < params.image_size.min_height)
    rules: list[tuple[npt.NDArray[np.bool_], str | Words]] = [
        (verbs == "drop", "review"),
        (failures != None, failures),  # noqa: E711
        (open_ & small, "too_small"),
        (open_ & ~pictures["format"].isin(list(params.formats.allowed)).to_numpy(), "format_not_allowed"),
        (labels == None, "label_conflict"),  # noqa: E711
        (~pd.Series(labels, dtype=object).isin(list(classes)).to_numpy(), "label_undeclared"),
    ]
    reasons = np.full(len(pictures), None, dtype=object)
    for where, name in reversed(rules):
        reasons[where] = name if isinstance(name, str) else name[where]
    return reasons


def _texts(column: pd.Series[str]) -> Words:
    """Return texts as Python's own, ``None`` where absent."""
    texts: Words = column.to_numpy(dtype=object, copy=True)
    texts[column.isna().to_numpy()] = None
    return texts


def _lack(text: str, label: str | None) -> str:
    name, _, other = text.partition(":")
    if name in UNREADABLE:
        return f"the picture cannot be used: {UNREADABLE[name]}"
    if other:
        return f"the same pixels are kept under another label too, as {other[:12]}: only one of the two can be right"
    if label is None:
        return "the picture came under several labels: 'relabel' says which one holds"
    return f"its label '{label}' is not among the classes: 'relabel' gives it one"
