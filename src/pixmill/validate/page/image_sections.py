"""Sections of the page with images: dropped, to review, near-duplicates, and samples by class."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.cells import by_label
from pixmill.core.manifest import sample_rows
from pixmill.core.params import ValidateParams
from pixmill.core.words import count, shorten
from pixmill.pages import Excerpt
from pixmill.validate.page.cards import MAX_CARDS, ImageCard, ImageSet, Rows, ValidationCards
from pixmill.validate.reasons import REASONS
from pixmill.validate.tables import blur_limit

_SET_REASONS = ("label_conflict", "repeated", "duplicate_pixels")
"""Reasons shown as sets with the other images."""

_SECTION_REASONS = ("placeholder", "leak")
"""Reasons with a separate section on the page."""

_NO_LABEL = "several labels"


def offenders(images: ValidationCards) -> Iterator[dict[str, Any]]:
    """Yield the dropped images by reason, in the order of :data:`.REASONS`.

    Each item has ``reason``, ``meaning``, ``count``, ``cards`` or ``image_sets`` (with the images
    that the reason names, largest sets first), and ``more``, the number of cards or sets that are
    not shown.
    """
    words = images.words.to_numpy(dtype=object)
    for name in REASONS:
        rows = np.flatnonzero(words == name)
        if not len(rows):
            continue
        cards: list[ImageCard] = []
        image_sets: list[ImageSet] = []
        total = 0
        if name in _SET_REASONS:
            sets, total = _sets(rows, images.others[rows] if name == "repeated" else None, images)
            image_sets = [images.image_set(_title(name, len(members)), members) for members in sets]
        elif name not in _SECTION_REASONS:
            cards = [images.card(row) for row in rows[:MAX_CARDS].tolist()]
            total = len(rows)
        yield {
            "reason": name,
            "meaning": REASONS[name],
            "count": len(rows),
            "cards": cards,
            "image_sets": image_sets,
            "more": total - len(cards) - len(image_sets),
        }


def count_dropped_by_class(images: ValidationCards) -> pd.DataFrame:
    """Return the number of dropped images by class (row) and reason (column).

    Rows are sorted by label; images without a label come last, as :data:`_NO_LABEL`.
    """
    dropped = by_label(images.manifest.loc[~images.kept, ["label"]])
    labels = dropped["label"].astype(object).map(shorten, na_action="ignore").fillna(_NO_LABEL)
    table = pd.crosstab(labels.to_numpy(), images.words[dropped.index].to_numpy())
    order = sorted(table.index, key=lambda label: (label == _NO_LABEL, label))
    return table.reindex(index=order, columns=[name for name in REASONS if name in table])


def _sets(rows: Rows, leaders: Rows | None, images: ValidationCards) -> tuple[list[list[int]], int]:
    """Return the sets of dropped images with the images that they resemble, and the number of sets.

    The largest sets come first; within a set, kept images come first, then by id.

    Args:
        rows: Rows of the dropped images.
        leaders: Row of the image that each of them resembles; ``None``: images with equal pixels.
        images: The images.
    """
    if leaders is None:
        # Images without pixels resemble no other image.
        table = images.manifest[["width", "height"]].assign(
            pixels=images.manifest["pixels"].fillna(images.manifest["id"])
        )
        involved = table[table["pixels"].isin(table["pixels"].iloc[rows])]
        parts = (
            involved.groupby(["pixels", "width", "height"], sort=False, dropna=False)
            .ngroup()
            .to_numpy()
        )
        members = involved.index.to_numpy()
    else:
        first = np.unique(leaders)
        members = np.append(rows, first)
        parts = np.searchsorted(first, np.append(leaders, first))
    offending = np.unique(parts[np.isin(members, rows)])
    sizes = np.bincount(parts)
    largest = offending[np.argsort(-sizes[offending], kind="stable")][:MAX_CARDS]
    sets = [members[parts == part] for part in largest]
    return [some[np.lexsort((some, ~images.kept[some]))].tolist() for some in sets], len(offending)


def _title(name: str, members: int) -> str:
    if members == 1:
        return "The same file under several labels"
    return (
        f"{members:,} near-duplicates"
        if name == "repeated"
        else f"{members:,} images with the same pixels"
    )


_MEASURES = (
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
"""Title, column, threshold, condition, and line on a card."""


def beyond_threshold(
    images: ValidationCards, params: ValidateParams, *, decided: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the kept images that are beyond the threshold of a measure, by measure.

    Each item has ``title``, ``beyond`` (the condition), ``parameter`` (the threshold), ``count``,
    ``settled`` (the number of further images that a decision keeps), ``cards``, most extreme first,
    and ``more``, the number of images that are not shown.

    Args:
        images: The images.
        params: The section ``validate``.
        decided: Ids of images that a decision keeps.
    """
    settled = np.isin(np.arange(len(images.manifest)), images.rows(sorted(decided)))
    for title, column, parameter, beyond, fact in _MEASURES:
        section, key = parameter.split(".")
        limit = getattr(getattr(params, section), key)
        values = images.manifest[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if column == "sharpness":
            limit = blur_limit(values[~np.isnan(values)], limit)
        if column == "aspect_ratio":
            values = np.maximum(values, 1 / np.where(values > 0, values, np.nan))
        # With this sign, smaller values are worse.
        sign = -1 if key.startswith("max") else 1
        out = images.kept & (sign * values < sign * limit)
        rows = np.flatnonzero(out & ~settled)
        worst = rows[np.argsort(sign * values[rows], kind="stable")][:MAX_CARDS].tolist()
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


def near_duplicates(
    images: ValidationCards, pairs: pd.DataFrame, across: pd.DataFrame
) -> Excerpt[ImageSet]:
    """Return the groups of near-duplicates, those with different labels first, then the largest.

    A pair between two groups (of a chain that was cut) is shown separately if its labels differ.

    Args:
        images: The images.
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        across: Pairs with different labels to review.
    """
    one = images.rows(pairs["a"])
    other = images.rows(pairs["b"])
    alike = pairs["similarity"].to_numpy(dtype=np.float64)
    groups = images.rows(images.manifest["group"])
    labels = images.manifest["label"].to_numpy(dtype=object, na_value="")
    crossing = pd.MultiIndex.from_frame(pairs[["a", "b"]]).isin(
        pd.MultiIndex.from_frame(across[["a", "b"]])
    )
    joining = groups[one] != groups[other]
    sizes = np.bincount(groups[groups >= 0], minlength=len(groups))
    large = np.flatnonzero(sizes > 1)
    warned = np.isin(large, groups[one[crossing & ~joining]])
    loose = np.flatnonzero(crossing & joining)
    first = loose[np.argsort(-alike[loose], kind="stable")][:MAX_CARDS]
    image_sets = [
        _duplicate_set(images, [one[place], other[place]], pairs.iloc[[place]], crossing=True)
        for place in first
    ]
    for place in np.lexsort((large, -sizes[large], ~warned)).tolist()[:MAX_CARDS]:
        members = np.flatnonzero(groups == large[place])
        within = pairs[np.isin(one, members) & np.isin(other, members)]
        # Alternate the labels, so that the first members show all of them.
        turns = pd.Series(labels[members]).groupby(labels[members]).cumcount().to_numpy()
        order = members[np.lexsort((members, labels[members], turns))].tolist()
        image_sets.append(_duplicate_set(images, order, within, crossing=bool(warned[place])))
    image_sets.sort(key=lambda image_set: not image_set.warning)
    return Excerpt(image_sets[:MAX_CARDS], len(large) + len(loose))


def _duplicate_set(
    images: ValidationCards, rows: Sequence[int], pairs: pd.DataFrame, *, crossing: bool
) -> ImageSet:
    """Return near-duplicates as a set with their similarity."""
    low = pairs["similarity"].min()
    high = pairs["similarity"].max()
    title = f"{len(rows):,} images, similarity {low:.4f}{f' to {high:.4f}' if high > low else ''}"
    return images.image_set(
        title, rows, warning="different labels" if crossing else "", verdict=False
    )


def placeholders(images: ValidationCards, repeated: pd.DataFrame) -> Excerpt[ImageCard]:
    """Return the placeholders, those with the most URLs first.

    Args:
        images: The images.
        repeated: The columns of :data:`pixmill.validate.tables.REPEATED`.
    """
    found = repeated[repeated["kind"] == "placeholder"]
    found = found.sort_values(["addresses", "images", "id"], ascending=[False, False, True])
    first = found.head(MAX_CARDS)
    cards = [
        images.card(
            row,
            f"{count(files, 'file')}, {count(addresses, 'URL')}",
            # The card of an image without a label already lists all labels.
            *([f"labelled {shorten(labels)}"] if images.labelled[row] else []),
            verdict=True,
            everywhere=True,
        )
        for row, files, addresses, labels in zip(
            images.rows(first["id"]).tolist(),
            first["images"],
            first["addresses"],
            first["labels"],
            strict=True,
        )
    ]
    return Excerpt(cards, len(found))


def leaks(images: ValidationCards, found: pd.DataFrame) -> Excerpt[ImageSet]:
    """Return the images that are in two predefined splits, as pairs with both URLs or files.

    Args:
        images: The images.
        found: The columns of :data:`pixmill.validate.tables.LEAKS`.
    """
    first = found.head(MAX_CARDS)
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


MAX_SHEETS = 300
"""Maximum number of classes with samples."""

_MAX_SAMPLES = 600
_MIN_PER_CLASS = 2
_MAX_PER_CLASS = 32
"""Approximate number of all samples, and limits per class."""


def sheets(images: ValidationCards, labels: Sequence[str]) -> dict[str, list[ImageCard]]:
    """Return a random but reproducible sample of kept images by class.

    Args:
        images: The images.
        labels: The classes; only the first :data:`MAX_SHEETS` have samples.
    """
    shown = list(labels[:MAX_SHEETS])
    size = min(_MAX_PER_CLASS, max(_MIN_PER_CLASS, _MAX_SAMPLES // max(1, len(shown))))
    sampled = sample_rows(images.manifest[images.kept])
    drawn = by_label(sampled[["label"]]).groupby("label").head(size)
    chosen = {label: rows.index for label, rows in drawn.groupby("label")}
    return {label: [images.card(row) for row in chosen.get(label, [])] for label in shown}
