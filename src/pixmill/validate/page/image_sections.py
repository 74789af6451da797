"""The sections of the page that show images: dropped, to review, near-duplicates, and samples of each class."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.params import ValidateParams
from pixmill.core.words import count
from pixmill.pages import Excerpt, shorten
from pixmill.validate.blur import blur_limit
from pixmill.validate.page.cards import CARDS, ImageCard, ImageSet, Rows, ValidationCards
from pixmill.validate.reasons import REASONS

_BESIDE = ("label_conflict", "repeated", "duplicate_pixels")
"""Reasons that rest on other images, which stand beside."""

_ELSEWHERE = ("placeholder", "leak")
"""Reasons whose images have a section of their own on the page."""

_NO_LABEL = "several labels"


def offenders(images: ValidationCards) -> Iterator[dict[str, Any]]:
    """Yield what was dropped, by reason in the order of the vocabulary.

    Each is the ``reason`` and its ``meaning``; ``count`` images; some of them as ``cards``, or as ``image_sets``
    beside the images that the reason names, the largest sets first; and how many ``more`` cards or sets there are.
    """
    words = images.words.to_numpy(dtype=object)
    for name in REASONS:
        rows = np.flatnonzero(words == name)
        if not len(rows):
            continue
        cards: list[ImageCard] = []
        image_sets: list[ImageSet] = []
        total = 0
        if name in _BESIDE:
            sets, total = _sets(rows, images.others[rows] if name == "repeated" else None, images)
            image_sets = [images.image_set(_title(name, len(members)), members) for members in sets]
        elif name not in _ELSEWHERE:
            cards, total = [images.card(row) for row in rows[:CARDS].tolist()], len(rows)
        yield {
            "reason": name,
            "meaning": REASONS[name],
            "count": len(rows),
            "cards": cards,
            "image_sets": image_sets,
            "more": total - len(cards) - len(image_sets),
        }


def count_dropped_by_class(images: ValidationCards) -> pd.DataFrame:
    """Return how many images were dropped: one row a class, one column a reason in the order of the vocabulary.

    The rows are sorted by label; last come those without one, as :data:`_NO_LABEL`.
    """
    dropped = pd.DataFrame({"label": images.manifest["label"].astype(object), "reason": images.words})[~images.kept]
    labels = dropped["label"].where(dropped["label"].notna(), None)
    table = dropped.groupby([labels, "reason"], dropna=False).size().unstack(fill_value=0)
    table = table.reindex(columns=[name for name in REASONS if name in table.columns])
    order = sorted(table.index, key=lambda label: (pd.isna(label), str(label)))
    table = table.reindex(order)
    table.index = pd.Index([_NO_LABEL if pd.isna(label) else shorten(label) for label in order], dtype=object)
    return table


def _sets(rows: Rows, leaders: Rows | None, images: ValidationCards) -> tuple[list[list[int]], int]:
    """Return the sets that offenders make with the images that they resemble, and how many there are.

    The largest sets come first; within one what is kept, then by id.

    Args:
        rows: The offenders.
        leaders: The image that each of them belongs to; by default they belong to those with the same pixels.
        images: The images.
    """
    if leaders is None:
        # What has no pixels is like nothing else.
        table = images.manifest[["width", "height"]].assign(
            pixels=images.manifest["pixels"].fillna(images.manifest["id"])
        )
        involved = table[table["pixels"].isin(table["pixels"].iloc[rows])]
        parts = involved.groupby(["pixels", "width", "height"], sort=False, dropna=False).ngroup().to_numpy()
        members = involved.index.to_numpy()
    else:
        first = np.unique(leaders)
        members, parts = np.append(rows, first), np.searchsorted(first, np.append(leaders, first))
    offending = np.unique(parts[np.isin(members, rows)])
    sizes = np.bincount(parts)
    largest = offending[np.argsort(-sizes[offending], kind="stable")][:CARDS]
    sets = [members[parts == part] for part in largest]
    return [some[np.lexsort((some, ~images.kept[some]))].tolist() for some in sets], len(offending)


def _title(name: str, members: int) -> str:
    if members == 1:
        return "The same file under several labels"
    return f"{members:,} near-duplicates" if name == "repeated" else f"{members:,} images with the same pixels"


_DOUBTS = (
    ("Dark", "brightness", "dark.min_brightness", "brightness below {:g}", "brightness {:.1f}"),
    ("Blank", "entropy", "blank.min_entropy", "entropy below {:g} bits", "entropy {:.2f} bits"),
    ("Blurred", "sharpness", "blurred.min_sharpness", "sharpness below {:g}", "sharpness {:.1f}"),
    (
        "Elongated",
        "aspect_ratio",
        "aspect_ratio.max_ratio",
        "longer side more than {:g} times the shorter",
        "longer side {:.3g} times the shorter",
    ),
)
"""The title, the column, the threshold, the condition beyond it, and the line on a card."""


def doubtful(
    images: ValidationCards, params: ValidateParams, *, decided: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the kept images that are beyond the threshold of a measure, by measure.

    Each is a ``title``; what it means to be ``beyond`` the threshold, and the ``parameter`` that holds it; the
    ``count`` of such images, and how many more of them a person decided to keep (``settled``); the ``cards``, furthest
    first; and how many ``more`` of them there are.

    Args:
        images: The images.
        params: The thresholds.
        decided: Ids of images that people decided to keep, which need no review.
    """
    settled = np.isin(np.arange(len(images.manifest)), images.rows(sorted(decided)))
    for title, column, parameter, beyond, fact in _DOUBTS:
        section, key = parameter.split(".")
        limit = getattr(getattr(params, section), key)
        values = images.manifest[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if column == "sharpness":
            limit = blur_limit(values[~np.isnan(values)], limit)
        if column == "aspect_ratio":
            values = np.maximum(values, 1 / np.where(values > 0, values, np.nan))
        # The smaller, the worse.
        sign = -1 if key.startswith("max") else 1
        out = images.kept & (sign * values < sign * limit)
        rows = np.flatnonzero(out & ~settled)
        worst = rows[np.argsort(sign * values[rows], kind="stable")][:CARDS].tolist()
        if out.any():
            yield {
                "title": title,
                "beyond": beyond.format(limit),
                "parameter": f"validate.{parameter}",
                "count": len(rows),
                "settled": int((out & settled).sum()),
                "cards": [images.card(row, fact.format(values[row])) for row in worst],
                "more": len(rows) - len(worst),
            }


def near_duplicates(images: ValidationCards, pairs: pd.DataFrame, across: pd.DataFrame) -> Excerpt[ImageSet]:
    """Return the groups of near-duplicates.

    Those with different labels come first, then the largest. A pair that joins two groups, where a chain was cut, is
    shown by itself if its labels differ.

    Args:
        images: The images.
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        across: The pairs with different labels to review.
    """
    one, other, alike = images.rows(pairs["a"]), images.rows(pairs["b"]), pairs["similarity"].to_numpy(dtype=np.float64)
    groups = images.rows(images.manifest["group"])
    labels = images.manifest["label"].to_numpy(dtype=object, na_value="")
    crossing = pd.MultiIndex.from_frame(pairs[["a", "b"]]).isin(pd.MultiIndex.from_frame(across[["a", "b"]]))
    joining = groups[one] != groups[other]
    sizes = np.bincount(groups[groups >= 0], minlength=len(groups))
    large = np.flatnonzero(sizes > 1)
    warned = np.isin(large, groups[one[crossing & ~joining]])
    loose = np.flatnonzero(crossing & joining)
    first = loose[np.argsort(-alike[loose], kind="stable")][:CARDS]
    image_sets = [
        _duplicate_set(images, [one[place], other[place]], pairs.iloc[[place]], crossing=True) for place in first
    ]
    for place in np.lexsort((large, -sizes[large], ~warned)).tolist()[:CARDS]:
        members = np.flatnonzero(groups == large[place])
        within = pairs[np.isin(one, members) & np.isin(other, members)]
        # Of many members each label shows one first.
        turns = pd.Series(labels[members]).groupby(labels[members]).cumcount().to_numpy()
        order = members[np.lexsort((members, labels[members], turns))].tolist()
        image_sets.append(_duplicate_set(images, order, within, crossing=bool(warned[place])))
    image_sets.sort(key=lambda image_set: not image_set.warning)
    return Excerpt(image_sets[:CARDS], len(large) + len(loose))


def _duplicate_set(images: ValidationCards, rows: Sequence[int], pairs: pd.DataFrame, *, crossing: bool) -> ImageSet:
    """Return images side by side, with how alike they are."""
    low, high = pairs["similarity"].min(), pairs["similarity"].max()
    title = f"{len(rows):,} images, similarity {low:.4f}{f' to {high:.4f}' if high > low else ''}"
    return images.image_set(title, rows, warning="different labels" if crossing else "", verdict=False)


def placeholders(images: ValidationCards, repeated: pd.DataFrame) -> Excerpt[ImageCard]:
    """Return the placeholders, those at the most URLs first.

    Args:
        images: The images.
        repeated: The columns of :data:`pixmill.validate.findings.REPEATED`.
    """
    found = repeated[repeated["kind"] == "placeholder"]
    found = found.sort_values(["addresses", "images", "id"], ascending=[False, False, True])
    first = found.head(CARDS)
    cards = [
        images.card(
            row,
            f"{count(files, 'file')}, {count(addresses, 'URL')}",
            # The card of an image without a label lists its labels already.
            *([f"labelled {shorten(labels)}"] if images.labelled[row] else []),
            verdict=True,
            everywhere=True,
        )
        for row, files, addresses, labels in zip(
            images.rows(first["id"]).tolist(), first["images"], first["addresses"], first["labels"], strict=True
        )
    ]
    return Excerpt(cards, len(found))


def leaks(images: ValidationCards, found: pd.DataFrame) -> Excerpt[ImageSet]:
    """Return the images that are in two of the given splits, each pair with both places.

    Args:
        images: The images.
        found: The columns of :data:`pixmill.validate.findings.LEAKS`.
    """
    first = found.head(CARDS)
    rows = zip(images.rows(first["id"]).tolist(), images.rows(first["other"]).tolist(), strict=True)
    pairs = [
        ImageSet(
            "The same file" if row == other else "The same pixels",
            [
                images.card(row, f"in {leak.part}", place=str(leak.place)),
                images.card(other, f"in {leak.other_part}", place=str(leak.other_place)),
            ],
        )
        for leak, (row, other) in zip(first.itertuples(index=False), rows, strict=True)
    ]
    return Excerpt(pairs, len(found))


SHEETS = 300
"""Classes of which a sheet is shown."""

_ALL, _LEAST, _MOST = 600, 2, 32
"""Images of all sheets together, and bounds for one."""


def sheets(images: ValidationCards, labels: Sequence[str]) -> dict[str, list[ImageCard]]:
    """Return a random sample of each class's kept images.

    Args:
        images: The images.
        labels: The classes; of many the first ones have a sheet.
    """
    shown = list(labels[:SHEETS])
    size = min(_MOST, max(_LEAST, _ALL // max(1, len(shown))))
    rows = np.flatnonzero(images.kept)
    # An id is a digest: its last digits are random, and nothing else depends on them.
    dice = np.array(images.manifest["id"].iloc[rows].str[-16:].to_numpy(dtype=object), dtype="S16")
    drawn = rows[np.argsort(dice, kind="stable")]
    by_label = pd.Series(drawn).groupby(images.manifest["label"].iloc[drawn].to_numpy(dtype=object)).head(size)
    chosen = by_label.groupby(images.manifest["label"].iloc[by_label].to_numpy(dtype=object)).agg(list)
    return {label: [images.card(row) for row in chosen.get(label, [])] for label in shown}
