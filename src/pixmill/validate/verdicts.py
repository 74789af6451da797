"""Verdicts: keep or drop each image, with a reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import cells_of, show_cells
from pixmill.core.decisions import Decided, Row
from pixmill.core.params import ValidateParams
from pixmill.validate.reasons import UNREADABLE, reason
from pixmill.validate.sightings import PARTS, Flags, Indices, Ranks, SightingIndex, Texts

_PLACEHOLDER_LABELS = 3
"""Minimum number of labels of a placeholder; a wrong label gives two."""


@dataclass(frozen=True)
class DuplicateSets:
    """Sets of images with equal pixels; most sets have one image.

    Args:
        of: Set of each image; -1 for images that are dropped for other reasons.
        rival: Row of the first eligible image with the same pixels and another label; -1 if there
            is none.
        twin: Row of the image with the same pixels and label that is kept instead; -1 if there is
            none.
        first: Row of the first image of each set.
        members: Number of images of each set.
        addresses: Number of distinct URLs of each set.
        several: True for sets with different labels (of images or sightings) and no decision.
        placeholder: True for sets that look like a placeholder and have no decision.
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
        """True for sets with several labels that are not placeholders."""
        return self.several & ~self.placeholder


def find_twins(
    images: pd.DataFrame,
    labels: Texts,
    *,
    claims: Flags,
    settled: Flags,
    seen: SightingIndex,
    repeats: int,
) -> DuplicateSets:
    """Find the sets of images with equal pixels and dimensions.

    If a decision keeps images of a set, only these are eligible and the set counts as reviewed;
    otherwise all images are eligible.

    Args:
        images: One row per image, with ``pixels``, ``width``, ``height`` and ``part``: of images
            with the same label, the first one with the highest part is kept.
        labels: Label of each image; ``None`` if it has several.
        claims: Mask of images that are not dropped for other reasons.
        settled: Mask of images that a decision keeps.
        seen: Sightings of the images.
        repeats: Minimum number of URLs of a placeholder.
    """
    rows = np.flatnonzero(claims)
    # The digest of the pixels does not include the dimensions.
    same = images.iloc[rows].groupby(["pixels", "width", "height"], sort=False, dropna=False)
    sets = same.ngroup().to_numpy(np.int64)
    count = same.ngroups
    codes = pd.factorize(labels)[0][rows]
    decided = np.zeros(count, bool)
    decided[sets[settled[rows]]] = True
    eligible = settled[rows] | ~decided[sets]
    front = _first(sets, rows, eligible, count)
    label = np.full(count, -1)
    at_front = rows == front[sets]
    label[sets[at_front]] = codes[at_front]
    other = _first(sets, rows, eligible & (codes != label[sets]), count)

    of, rival, twin = (np.full(len(images), -1, np.int64) for _ in range(3))
    of[rows] = sets
    rival[rows] = np.where(codes != label[sets], front[sets], other[sets])
    worst_first = np.lexsort((-rows, images["part"].to_numpy()[rows], eligible))
    choices = pd.Series(np.where(eligible, rows, -1)).iloc[worst_first]
    kept = (
        choices.groupby([sets[worst_first], codes[worst_first]])
        .transform("last")
        .sort_index()
        .to_numpy()
    )
    twin[rows] = np.where((kept == rows) | settled[rows] | (codes < 0), -1, kept)
    addresses = seen.kinds(of, count, seen.address)
    many = (addresses >= repeats) | (seen.kinds(of, count, seen.label) >= _PLACEHOLDER_LABELS)
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


def _first(sets: npt.NDArray[np.integer], rows: Indices, among: Flags, count: int) -> Indices:
    """Return the first row of each set for which ``among`` is True; -1 if there is none."""
    first = np.full(count, -1, np.int64)
    # Rows ascend, and NumPy keeps the last of several values for one index.
    first[sets[among][::-1]] = rows[among][::-1]
    return first


@dataclass(frozen=True)
class Rulings:
    """What people decided about all images, as arrays with one entry per image.

    Args:
        labels: Label after decisions; ``None`` if there is none, or several.
        fates: ``keep`` or ``drop``; ``None`` if the rules decide.
        disputed: Mask of images about which people disagree.
        unlabelled: Mask of images that nobody gave a label, or from which somebody took it. They
            change nothing about other images.
        parts: Index in :data:`pixmill.validate.sightings.PARTS` of the split given with the label.
        moved: Number of images that came with another label than people gave them.
    """

    labels: Texts
    fates: Texts
    disputed: Flags
    unlabelled: Flags
    parts: Ranks
    moved: int


def apply_decisions(
    images: pd.DataFrame, decisions: Mapping[str, Decided], seen: SightingIndex
) -> Rulings:
    """Return what people decided.

    Args:
        images: ``id``, and ``label`` as it came (null if there is none, or several).
        decisions: Decisions by id, all on existing images.
        seen: Sightings of the images.
    """
    labels = _texts(images["label"])
    fates = np.full(len(images), None, dtype=object)
    disputed = np.zeros(len(images), bool)
    # Without a label as they came: unlike those whose sightings disagree, which have several.
    unlabelled = ~seen.labelled & (labels == None)  # noqa: E711 (elementwise)
    parts = np.zeros(len(images), np.int8)
    moved = 0
    rows = pd.Index(images["id"]).get_indexer(pd.Index(list(decisions), dtype=object))
    for row, decided in zip(rows.tolist(), decisions.values(), strict=True):
        came = labels[row]
        label = decided.resolve_label(came)
        labels[row] = label
        fates[row] = decided.fate or None
        disputed[row] = decided.is_suspended
        unlabelled[row] = label is None and (unlabelled[row] or came is not None)
        parts[row] = PARTS.index(decided.split)
        moved += decided.corrects(came)
    return Rulings(labels, fates, disputed, unlabelled & ~disputed, parts, moved)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on all images, as arrays with one entry per image.

    Args:
        reasons: Reason of each dropped image; ``None`` for kept images.
        labels: Label of each image after decisions; ``None`` if it has none.
        settled: Mask of images that an applied decision keeps.
        twins: Sets of images with equal pixels.
        powerless: Decisions that could not be applied, each with an explanation.
    """

    reasons: Texts
    labels: Texts
    settled: Flags
    twins: DuplicateSets
    powerless: Sequence[tuple[Row, str]]

    @property
    def kept(self) -> Flags:
        """Mask of kept images."""
        kept: Flags = self.reasons == None  # noqa: E711 (elementwise)
        return kept

    def without(self, repeats: Indices, ids: pd.Series[str], labels: Texts) -> Verdicts:
        """Return the verdicts with all but one of very many near-duplicates dropped.

        If they have several labels, all are dropped as placeholders.

        Args:
            repeats: Rows of each image to drop and of the image kept instead, shape (m, 2).
            ids: Image ids by row.
            labels: What must be equal in near-duplicates, by row.
        """
        reasons = self.reasons.copy()
        (gone, leaders) = repeats.T
        reasons[gone] = [reason("repeated", other) for other in ids.iloc[leaders]]
        codes, _ = pd.factorize(labels)
        several = np.setdiff1d(leaders[codes[gone] != codes[leaders]], np.flatnonzero(self.settled))
        reasons[several] = reason("placeholder")
        reasons[gone[np.isin(leaders, several)]] = reason("placeholder")
        return replace(self, reasons=reasons)


def judge(
    images: pd.DataFrame,
    rulings: Rulings,
    decisions: Mapping[str, Decided],
    seen: SightingIndex,
    *,
    classes: Collection[str],
    params: ValidateParams,
) -> Verdicts:
    """Return the verdict on every image.

    The first rule that applies gives the reason:

    1. ``review``: a decision drops the image.
    2. ``disputed``: people disagree about it; ``unlabelled``: nobody gave it one.
    3. The image has no pixels: :data:`pixmill.validate.reasons.UNREADABLE`.
    4. ``too_small``, ``format_not_allowed``.
    5. ``placeholder``: equal bytes or pixels at many URLs or under three labels, and under more
       than one label. (Under one label, one copy is kept and the gate reports it.)
    6. ``label_conflict``: equal bytes under two labels.
    7. ``label_undeclared``: the label is not a class.
    8. Equal pixels: ``label_conflict`` for all if the labels differ. Otherwise the image in the
       highest-ranking predefined split is kept, then the one with the smallest id; the others are
       a ``leak`` if their split ranks lower, else ``duplicate_pixels``.

    A decision to keep an image overrides all rules except these: images without pixels or without a
    declared label cannot be used in training, and equal pixels cannot have two labels. A label
    alone overrides only the one that came.

    Args:
        images: One row per image, sorted by id, with ``id``, ``width``, ``height``, ``format``,
            ``pixels``, ``failure`` (reason for missing pixels) and ``part`` (index of the
            predefined split in :data:`pixmill.validate.sightings.PARTS`).
        rulings: What people decided.
        decisions: The same by id.
        seen: Sightings of the images.
        classes: The classes.
        params: The section ``validate``.
    """
    labels = rulings.labels
    reasons = _single_reasons(images, rulings, classes, params)
    settled = (rulings.fates == "keep") & (reasons == None)  # noqa: E711 (elementwise)
    claims = (reasons == None) | (reasons == "label_conflict")  # noqa: E711
    twins = find_twins(
        images,
        labels,
        claims=claims,
        settled=settled,
        seen=seen,
        repeats=params.placeholders.repeats,
    )
    _compare(reasons, twins, images)
    refused = np.flatnonzero((rulings.fates == "keep") & (reasons != None))  # noqa: E711
    powerless = [
        (
            decisions[str(images["id"].iat[row])].deciding,
            _explain(reasons[row], labels[row] and show_cells(labels[row])),
        )
        for row in refused.tolist()
    ]
    settled &= reasons == None  # noqa: E711
    return Verdicts(reasons, labels, settled, twins, powerless)


def _compare(reasons: Texts, twins: DuplicateSets, images: pd.DataFrame) -> None:
    """Add the reasons that depend on other images."""
    ids = images["id"]
    parts = images["part"].to_numpy()
    copied = (twins.twin >= 0) & (twins.rival < 0)
    leaked = copied & (parts > 0) & (parts < parts[twins.twin])
    for name, where, others in (
        ("label_conflict", twins.rival >= 0, twins.rival),
        ("leak", leaked, twins.twin),
        ("duplicate_pixels", copied & ~leaked, twins.twin),
    ):
        reasons[where] = [reason(name, other) for other in ids.iloc[others[where]]]
    reasons[np.append(twins.placeholder & twins.several, False)[twins.of]] = reason("placeholder")


def _single_reasons(
    images: pd.DataFrame, rulings: Rulings, classes: Collection[str], params: ValidateParams
) -> Texts:
    """Return the reason of each image that depends on no other; ``None`` if there is none."""
    failures = _texts(images["failure"])
    labels = rulings.labels
    open_ = rulings.fates == None  # noqa: E711 (elementwise)
    width, height = (
        images[side].to_numpy(np.float64, na_value=np.nan) for side in ("width", "height")
    )
    small = (width < params.image_size.min_width) | (height < params.image_size.min_height)
    rules: list[tuple[Flags, str | Texts]] = [
        (rulings.fates == "drop", "review"),
        (rulings.disputed, "disputed"),
        (rulings.unlabelled, "unlabelled"),
        (failures != None, failures),  # noqa: E711
        (open_ & small, "too_small"),
        (
            open_ & ~images["format"].isin(list(params.formats.allowed)).to_numpy(),
            "format_not_allowed",
        ),
        (labels == None, "label_conflict"),  # noqa: E711
        (~_declared(labels, classes), "label_undeclared"),
    ]
    reasons = np.full(len(images), None, dtype=object)
    for where, name in reversed(rules):
        reasons[where] = name if isinstance(name, str) else name[where]
    return reasons


def _declared(labels: Texts, classes: Collection[str]) -> Flags:
    """Return which images have only declared labels."""
    column = pd.Series(labels, dtype=object)
    good = [text for text in column.dropna().unique() if cells_of(text).keys() <= {*classes}]
    return column.isin(good).to_numpy()


def _texts(column: pd.Series[str]) -> Texts:
    """Return a text column as Python strings, ``None`` for null."""
    texts: Texts = column.to_numpy(dtype=object, copy=True)
    texts[column.isna().to_numpy()] = None
    return texts


def _explain(text: str, label: str | None) -> str:
    """Return why an image is not kept although somebody decided so."""
    name, _, other = text.partition(":")
    if name in UNREADABLE:
        return f"the image cannot be used: {UNREADABLE[name]}"
    if other:
        return f"image {other[:12]} has the same pixels but another label; keep only one of the two"
    if name == "label_undeclared":
        return f"its label '{label}' is not one of the classes; give it one with: pixmill review"
    has = {"unlabelled": "no label", "disputed": "contradictory labels in decisions.csv"}
    labels = has.get(name, "conflicting labels")
    return f"the image has {labels}; give it one with: pixmill review"
