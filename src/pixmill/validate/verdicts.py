"""Verdicts: which images are kept, and for what reason the others are dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import ValidateParams
from pixmill.validate.decisions import Decision
from pixmill.validate.reasons import UNREADABLE, reason, word
from pixmill.validate.sightings import SightingIndex

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_MANY_LABELS = 3
"""Labels from which on one image is a placeholder: a mistake has two."""


@dataclass(frozen=True)
class DuplicateSets:
    """The sets of images with the same pixels; most images are a set by themselves.

    Args:
        of: The set of each image; -1 where it has no claim to be kept.
        rival: The row of an image with the same pixels under another label, the first that stands; -1 where none.
        twin: The row of the image that is kept in this one's place, under the same label; -1 where none.
        first: The row of each set's first image.
        members: How many images each set has.
        addresses: At how many different addresses each set was seen.
        several: Whether the images of a set, or their sightings, carry different labels, without a decision.
        placeholder: Whether the one image of a set looks like a placeholder, without a decision.
    """

    of: Indices
    rival: Indices
    twin: Indices
    first: Indices
    members: Indices
    addresses: Indices
    several: Flags
    placeholder: Flags

    @property
    def conflict(self) -> Flags:
        """Whether a set is one image under two labels, by mistake."""
        return self.several & ~self.placeholder


def find_twins(
    images: pd.DataFrame,
    labels: npt.NDArray[np.object_],
    *,
    claims: Flags,
    settled: Flags,
    seen: SightingIndex,
    repeats: int,
) -> DuplicateSets:
    """Return the sets of images with the same pixels and the same size, and who stands against whom.

    Where a person has decided to keep some of a set, only these stand, and the set counts as looked at. Else all do.

    Args:
        images: One row an image, with ``pixels``, ``width``, ``height`` and ``part``: of twins with one label the
            one with the highest part is kept, then the first.
        labels: The label of each image; ``None`` where it came under several.
        claims: Which images have a claim to be kept.
        settled: Which of them a decision keeps.
        seen: Where the images were seen.
        repeats: Addresses from which on one image is a placeholder.
    """
    rows = np.flatnonzero(claims)
    sets, count = _sets(images.iloc[rows])
    codes = pd.factorize(labels)[0][rows]
    decided = np.zeros(count, bool)
    decided[sets[settled[rows]]] = True
    stands = settled[rows] | ~decided[sets]
    front = _first(sets, rows, stands, count)
    label = np.full(count, -1)
    at_front = rows == front[sets]
    label[sets[at_front]] = codes[at_front]
    other = _first(sets, rows, stands & (codes != label[sets]), count)

    of, rival, twin = (np.full(len(images), -1, np.int64) for _ in range(3))
    of[rows] = sets
    rival[rows] = np.where(codes != label[sets], front[sets], other[sets])
    kept = _choose_kept(sets, codes, rows, images["part"].to_numpy()[rows], stands)
    twin[rows] = np.where((kept == rows) | settled[rows] | (codes < 0), -1, kept)
    addresses = seen.kinds(of, count, seen.address)
    many = (addresses >= repeats) | (seen.kinds(of, count, seen.label) >= _MANY_LABELS)
    return DuplicateSets(
        of=of,
        rival=rival,
        twin=twin,
        first=_first(sets, rows, np.ones(len(rows), bool), count),
        members=np.bincount(sets, minlength=count),
        addresses=addresses,
        several=(other >= 0) | (label < 0),
        placeholder=many & ~decided,
    )


def _sets(images: pd.DataFrame) -> tuple[Indices, int]:
    """Return the number of each image's set, and how many sets there are."""
    pixels, _ = pd.factorize(images["pixels"])
    width, height = (images[side].to_numpy(np.int64) for side in ("width", "height"))
    # Equal pixels in another shape are another image; the digest does not know.
    shape, shapes = pd.factorize(width << 32 | height)
    sets, unique = pd.factorize(pixels * max(1, len(shapes)) + shape)
    return sets.astype(np.int64), len(unique)


def _first(sets: Indices, rows: Indices, among: Flags, count: int) -> Indices:
    """Return the first row of each set among some; -1 where it has none of them."""
    first = np.full(count, -1, np.int64)
    # Rows ascend; of several values for one place numpy keeps the last.
    first[sets[among][::-1]] = rows[among][::-1]
    return first


def _choose_kept(sets: Indices, codes: Indices, rows: Indices, parts: npt.NDArray[np.int8], stands: Flags) -> Indices:
    """Return for each image the row of the one that is kept of its set and label; -1 where none stands."""
    both = sets * (int(codes.max(initial=0)) + 2) + codes + 1
    key, unique = pd.factorize(both)
    worst_first = np.lexsort((-rows, parts, stands))
    kept = np.full(len(unique), -1, np.int64)
    kept[key[worst_first]] = np.where(stands, rows, -1)[worst_first]
    return kept[key]


Words = npt.NDArray[np.object_]

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Verdicts:
    """The outcome: arrays with one entry per image.

    Args:
        reasons: Why each dropped image was dropped; ``None`` where it is kept.
        labels: The label of each image, after decisions; ``None`` where it has none.
        settled: Whether a decision keeps the image, and could be applied.
        twins: The sets of images that are the same, of those that have a claim to be kept.
        powerless: Decisions that could not be applied, each with the reason.
    """

    reasons: Words
    labels: Words
    settled: npt.NDArray[np.bool_]
    twins: DuplicateSets
    powerless: Sequence[tuple[Decision, str]]

    def words(self) -> Words:
        """Return the words of the reasons, without the ids behind them."""
        words = np.full(len(self.reasons), None, dtype=object)
        dropped = np.flatnonzero(self.reasons != None)  # noqa: E711
        words[dropped] = [word(text) for text in self.reasons[dropped]]
        return words

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Whether each image is kept."""
        kept: npt.NDArray[np.bool_] = self.reasons == None  # noqa: E711 (place by place)
        return kept

    def without(self, repeats: npt.NDArray[np.int64], ids: pd.Series[str]) -> Verdicts:
        """Return the verdicts where those go that are one of very many near-duplicates.

        One image stands for them and is kept, unless they carry several labels: then it is a placeholder as they are.

        Args:
            repeats: Of shape (m, 2), rows: each image that goes, and the one that stands for it.
            ids: The images, one a row.
        """
        reasons, (gone, stands) = self.reasons.copy(), repeats.T
        reasons[gone] = [reason("repeated", other) for other in ids.iloc[stands]]
        codes, _ = pd.factorize(self.labels)
        several = np.setdiff1d(stands[codes[gone] != codes[stands]], np.flatnonzero(self.settled))
        reasons[several] = reason("placeholder")
        reasons[gone[np.isin(stands, several)]] = reason("placeholder")
        return replace(self, reasons=reasons)


def judge(
    images: pd.DataFrame,
    decisions: Mapping[str, Decision],
    seen: SightingIndex,
    *,
    classes: Collection[str],
    params: ValidateParams,
) -> Verdicts:
    """Return the verdict on every image.

    The first rule that applies gives the reason:

    1. ``review``: a decision dropped it.
    2. It has no pixels: the words of :data:`pixmill.validate.reasons.UNREADABLE`.
    3. ``too_small``, ``format_not_allowed``: a side, or a format that is not taken.
    4. ``placeholder``: the same image, by bytes or pixels, is at many addresses or under three labels, and under
       more than one label. (Under one label one copy is kept, and the gate names it.)
    5. ``label_conflict``: the same bytes came under two labels.
    6. ``label_undeclared``: its label is not among the classes.
    7. Of images with the same pixels: ``label_conflict`` for all where labels differ; else the one that is held out
       longest in a given split is kept, of several the one with the smallest id, and the others are a ``leak`` where
       they lie in an earlier part, or ``duplicate_pixels``.

    A decision ``keep`` or ``relabel`` overrides every rule but these: what has no pixels, or no declared label,
    cannot be trained on; and of the same pixels under two labels not both can be right, whoever says so.

    Args:
        images: One row an image, sorted by id, with ``id``, ``label`` (null where the same bytes came under
            several), ``width``, ``height``, ``format``, ``pixels``, ``failure`` (why it has none) and ``part`` (the
            place of its given part in :data:`pixmill.validate.sightings.PARTS`).
        decisions: Decisions by id, all of them on existing images.
        seen: Where the images were seen.
        classes: The declared labels.
        params: Limits of size and format, and what a placeholder is.
    """
    decided, verbs, labels = _apply_decisions(images, decisions)
    reasons = _by_itself(images, verbs, labels, classes, params)
    settled = ((verbs == "keep") | (verbs == "relabel")) & (reasons == None)  # noqa: E711 (place by place)
    claims = (reasons == None) | (reasons == "label_conflict")  # noqa: E711
    twins = find_twins(images, labels, claims=claims, settled=settled, seen=seen, repeats=params.placeholders.repeats)
    _compare(reasons, twins, images)
    powerless = [
        (decisions[str(images["id"].iat[row])], _lack(reasons[row], labels[row]))
        for row in decided.tolist()
        if reasons[row] is not None and verbs[row] != "drop"
    ]
    settled &= reasons == None  # noqa: E711
    return Verdicts(reasons, labels, settled, twins, powerless)


def _compare(reasons: Words, twins: DuplicateSets, images: pd.DataFrame) -> None:
    """Add why images are dropped for what other images there are."""
    ids, parts = images["id"], images["part"].to_numpy()
    copied = (twins.twin >= 0) & (twins.rival < 0)
    leaked = copied & (parts > 0) & (parts < parts[twins.twin])
    for name, where, others in (
        ("label_conflict", twins.rival >= 0, twins.rival),
        ("leak", leaked, twins.twin),
        ("duplicate_pixels", copied & ~leaked, twins.twin),
    ):
        reasons[where] = [reason(name, other) for other in ids.iloc[others[where]]]
    reasons[np.append(twins.placeholder & twins.several, False)[twins.of]] = reason("placeholder")


def _apply_decisions(
    images: pd.DataFrame, decisions: Mapping[str, Decision]
) -> tuple[npt.NDArray[np.int64], Words, Words]:
    """Return the rows that people decided on, and each image's verb (or ``None``) and label."""
    rows = pd.Index(images["id"]).get_indexer(pd.Index(list(decisions), dtype=object)) if decisions else _NONE
    verbs = np.full(len(images), None, dtype=object)
    labels = _texts(images["label"])
    for row, decision in zip(rows.tolist(), decisions.values(), strict=True):
        verbs[row] = decision.verb
        if decision.verb == "relabel":
            labels[row] = decision.label
    return np.sort(rows).astype(np.int64), verbs, labels


def _by_itself(
    images: pd.DataFrame, verbs: Words, labels: Words, classes: Collection[str], params: ValidateParams
) -> Words:
    """Return why each image is dropped, whatever other images there are; ``None`` where it is not."""
    failures = _texts(images["failure"])
    open_ = verbs == None  # noqa: E711 (place by place)
    width, height = (images[side].to_numpy(np.float64, na_value=np.nan) for side in ("width", "height"))
    small = (width < params.image_size.min_width) | (height < params.image_size.min_height)
    rules: list[tuple[npt.NDArray[np.bool_], str | Words]] = [
        (verbs == "drop", "review"),
        (failures != None, failures),  # noqa: E711
        (open_ & small, "too_small"),
        (open_ & ~images["format"].isin(list(params.formats.allowed)).to_numpy(), "format_not_allowed"),
        (labels == None, "label_conflict"),  # noqa: E711
        (~pd.Series(labels, dtype=object).isin(list(classes)).to_numpy(), "label_undeclared"),
    ]
    reasons = np.full(len(images), None, dtype=object)
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
        return f"the image cannot be used: {UNREADABLE[name]}"
    if other:
        return f"image {other[:12]} has the same pixels but another label; keep only one of the two"
    if label is None:
        return "the image has conflicting labels; use 'relabel' to choose one"
    return f"its label '{label}' is not one of the classes; use 'relabel' to choose one"
