"""Tables of the checks: one row per image, per near-duplicate pair, and per class; and findings.

Findings are conflicts, placeholders, leaks, and look-alikes: different images detected as
near-duplicates, such as parts before a fixed camera. Blur is relative to the dataset, because all
images of some datasets (such as X-rays) are soft.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import show_cells
from pixmill.core.words import count, percent
from pixmill.images.likeness.similarity import Compared, correlations
from pixmill.validate.sightings import PARTS, Flags, Indices, SightingIndex, Texts
from pixmill.validate.verdicts import Verdicts

_MEASURES = ("width", "height", "format", "brightness", "sharpness", "entropy")

_MAX_DEVIATIONS = 2.5
"""Standard deviations below the median at which an image is less sharp than the others: 0.6 % of a
normal distribution.
The absolute limit applies as well, so a stricter value would only hide blurred images.
"""

_MIN_DEVIATION = 0.4
"""Lower bound of the standard deviation, for datasets in which all images are equally sharp."""

_MAD_SCALE = 1.4826
"""Standard deviation of a normal distribution whose median absolute deviation (MAD) is 1."""

REPEATED = ("id", "kind", "images", "addresses", "labels")

LEAKS = ("id", "part", "place", "other", "other_part", "other_place")


LOOKALIKES = ("found", "similarity", "apart")

_MIN_ACROSS_SHARE = 0.2
_MIN_ACROSS_PAIRS = 10
"""Share and number of near-duplicate pairs across labels that indicate look-alikes; wrong labels
explain a few percent.
"""

_MIN_ALIKE_SHARE = 0.5
_MIN_ALIKE_OTHERS = 5
"""Share of images with near-duplicates, and their median number, that indicate a single scene."""

_MAX_SAMPLE = 1000
"""Images compared with each other among very many near-duplicates; not all pairs are known."""

_SEPARATED_SHARE = 0.95
"""Share of the images that the suggested similarity separates; the rest may be copies."""

_MAX_SIMILARITY = 0.9999
"""Maximum suggested similarity; similarities have four decimals."""


def image_table(
    images: pd.DataFrame,
    *,
    settled: Flags,
    repeated: pd.DataFrame,
    leaks: pd.DataFrame,
    min_sharpness: float,
) -> pd.DataFrame:
    """Return one row per image, without images dropped by a decision.

    Args:
        images: The validated manifest with an additional column ``failure``.
        settled: Mask of images that a decision keeps; their measures are not checked.
        repeated: See :func:`pixmill.validate.tables.find_repeated`.
        leaks: See :func:`pixmill.validate.tables.find_leaks`.
        min_sharpness: ``validate.blurred.min_sharpness``.

    Returns:
        ``id``, ``label``, ``pixels`` and ``failure``; the measures of images with pixels and
        without a decision: ``width``, ``height``, ``elongation`` (longer by shorter side),
        ``format``, ``brightness``, ``sharpness``, ``blur`` (1 below
        :func:`pixmill.validate.tables.blur_limit`, else 0), ``entropy``, and ``redundant`` (1 for a
        copy or near-duplicate of another image, else 0); the findings, null without one:
        ``conflict`` (the labels), ``placeholder`` (a clause) and ``addresses``, ``leak`` (the
        splits) and ``leak_places``.
    """
    dropped = (images["reason"] == "review").fillna(False).to_numpy(bool)
    readable = images["pixels"].notna().to_numpy()
    table: pd.DataFrame = images[["id", "label", "pixels", "failure", *_MEASURES]].copy()
    sides = table[["width", "height"]].to_numpy(np.float64, na_value=np.nan)
    # Computed from integers to avoid rounding errors.
    table["elongation"] = sides.max(axis=1) / sides.min(axis=1)
    sharpness = table["sharpness"].to_numpy(np.float64, na_value=np.nan)
    table["blur"] = (sharpness < blur_limit(sharpness[readable], min_sharpness)).astype(np.float64)
    copied = np.zeros(len(images), bool)
    compared = readable & ~dropped
    copied[compared] = images.loc[compared, ["pixels", "width", "height"]].duplicated()
    table["redundant"] = (copied | (images["group"] != images["id"]).to_numpy(bool)).astype(
        np.float64
    )
    for name in (*_MEASURES, "elongation", "blur", "redundant"):
        table[name] = table[name].where(readable & ~settled)
    for findings in _findings(repeated, leaks):
        table = table.join(findings.astype(object), on="id")
    return table.loc[~dropped].reset_index(drop=True)


def pair_table(pairs: pd.DataFrame, images: pd.DataFrame, *, settled: Flags) -> pd.DataFrame:
    """Return the near-duplicate pairs with their labels, but none that decisions keep.

    Args:
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        images: The validated manifest.
        settled: Mask of images that a decision keeps.

    Returns:
        ``a``, ``b``, ``similarity``, ``label_a`` and ``label_b``.
    """
    index = pd.Index(images["id"])
    places = {side: index.get_indexer(pd.Index(pairs[side])) for side in ("a", "b")}
    table = pairs.assign(
        **{
            f"label_{side}": images["label"].iloc[rows].to_numpy(dtype=object)
            for side, rows in places.items()
        }
    )
    unsettled: pd.DataFrame = table[~(settled[places["a"]] & settled[places["b"]])]
    return unsettled


def _findings(repeated: pd.DataFrame, leaks: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the columns of each kind of finding, by image id."""
    conflicts, placeholders = (
        repeated[repeated["kind"] == kind].set_index("id") for kind in ("conflict", "placeholder")
    )
    yield conflicts[["labels"]].rename(columns={"labels": "conflict"})
    clauses = [
        f"was found at {count(addresses, 'URL')}, labelled {labels}"
        for addresses, labels in zip(placeholders["addresses"], placeholders["labels"], strict=True)
    ]
    yield placeholders[["addresses"]].assign(placeholder=clauses)
    first = leaks.drop_duplicates("id").set_index("id")
    yield pd.DataFrame(
        {
            "leak": first["part"] + " and " + first["other_part"],
            "leak_places": first["place"] + " and " + first["other_place"],
        }
    )


def class_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row per class, including classes without images.

    Args:
        manifest: The validated manifest.
        classes: The classes.

    Returns:
        ``label``, ``n`` (kept images), ``dropped``, and ``ratio_to_largest`` (0 if no class has
        images).
    """
    kept = manifest["verdict"] == "keep"
    table = pd.DataFrame({"label": list(classes)})
    for name, chosen in (("n", kept), ("dropped", ~kept)):
        counts = manifest.loc[chosen, "label"].value_counts()
        table[name] = table["label"].map(counts).fillna(0).astype(int)
    largest = table["n"].max()
    table["ratio_to_largest"] = table["n"] / largest if largest else 0.0
    return table


def blur_limit(sharpness: npt.NDArray[np.float64], min_sharpness: float) -> float:
    """Return the sharpness below which an image of a dataset is blurred.

    The limit is ``min_sharpness``, or less in a soft dataset: a blurred image must also be far less
    sharp than the others. It is computed from median and MAD (robust while fewer than half of the
    images are blurred) of the logarithm (sharpness differs by factors).

    >>> blur_limit(np.array([400.0, 500, 600, 3]), min_sharpness=10.0)
    10.0
    >>> blur_limit(np.array([9.0, 12, 15, 18, 1.5]), min_sharpness=10.0)
    3.8

    Args:
        sharpness: Sharpness of all readable images; see :func:`pixmill.images.measures.sharpness`.
        min_sharpness: ``validate.blurred.min_sharpness``.
    """
    if not len(sharpness):
        return min_sharpness
    values = np.log1p(sharpness)
    middle = np.median(values)
    deviation = max(_MIN_DEVIATION, _MAD_SCALE * float(np.median(np.abs(values - middle))))
    # Rounded, because logarithms differ in the last bit between processors.
    return min(
        min_sharpness, round(max(0.0, float(np.expm1(middle - _MAX_DEVIATIONS * deviation))), 1)
    )


def find_repeated(
    ids: pd.Series[str], verdicts: Verdicts, seen: SightingIndex, repeats: Indices
) -> pd.DataFrame:
    """Return conflicts and placeholders without a decision, one row per image with its copies.

    Args:
        ids: Image ids by row.
        verdicts: Verdicts on the images.
        seen: Sightings of the images.
        repeats: Rows of each of very many near-duplicates and of the image kept instead, shape (m,
            2). The latter is a placeholder too.

    Returns:
        :data:`REPEATED`, sorted by id: ``id`` of the first copy, ``kind`` (``conflict`` or
        ``placeholder``), number of ``images``, number of distinct ``addresses``, and the ``labels``
        (``coat, dress``).
    """
    twins = verdicts.twins
    of_twins = np.flatnonzero(twins.conflict | twins.placeholder)
    leaders = np.setdiff1d(
        repeats[:, 1], np.append(twins.first[of_twins], np.flatnonzero(verdicts.settled))
    )
    first = np.concatenate([twins.first[of_twins], leaders])
    of = _numbers(of_twins, len(twins.members))[twins.of]
    number = _numbers(leaders, len(ids))
    for members, stand in ((leaders, leaders), (repeats[:, 0], repeats[:, 1])):
        near = number[stand] >= 0
        of[members[near]] = number[stand[near]] + len(of_twins)
    return pd.DataFrame(
        {
            "id": ids.iloc[first].to_numpy(),
            "kind": np.where(
                np.append(twins.conflict[of_twins], leaders < 0), "conflict", "placeholder"
            ).astype(object),
            "images": np.bincount(of[of >= 0], minlength=len(first)),
            "addresses": seen.kinds(of, len(first), seen.address),
            "labels": _labels(of, len(first), verdicts.labels, seen),
        },
        columns=list(REPEATED),
    ).sort_values("id", ignore_index=True)


def _numbers(chosen: Indices, count: int) -> Indices:
    """Return the position of each index in ``chosen``, -1 if absent; the last element is -1."""
    numbers = np.full(count + 1, -1, np.int64)
    numbers[chosen] = np.arange(len(chosen))
    return numbers


def _labels(of: Indices, count: int, labels: Texts, seen: SightingIndex) -> list[str]:
    """Return the labels of each set of images, including those of their sightings."""
    owners, codes = seen.pairs(of, seen.label)
    named = np.flatnonzero((of >= 0) & (labels != None))  # noqa: E711 (elementwise)
    found = pd.DataFrame(
        {
            "set": np.concatenate([owners, of[named]]),
            "label": np.array([*map(show_cells, [*seen.labels[codes], *labels[named]])], object),
        }
    )
    texts = (
        found.drop_duplicates().sort_values(["set", "label"]).groupby("set")["label"].agg(", ".join)
    )
    return list(texts.reindex(range(count), fill_value=""))


def find_leaks(images: pd.DataFrame, verdicts: Verdicts, seen: SightingIndex) -> pd.DataFrame:
    """Return the images that are in two predefined splits, except those that a decision keeps.

    Args:
        images: One row per image, sorted by id, with ``id``, ``path`` and ``part`` (index of the
            predefined split in :data:`pixmill.validate.sightings.PARTS` that keeps the image).
        verdicts: Verdicts on the images.
        seen: Sightings of the images.

    Returns:
        :data:`LEAKS`, one row per image and split that loses it, sorted: ``id`` and ``place`` in
        the losing ``part``; the ``other`` image (the same id for the same file), its ``other_part``
        and ``other_place``.
    """
    part = images["part"].to_numpy(np.int64)
    words = pd.Series(verdicts.reasons, dtype=object).str.split(":").str[0]
    first, _ = seen.parts(len(images))
    open_ = words.isna() | words.isin(["leak", "duplicate_pixels"])
    same = np.flatnonzero((first > 0) & (first < part) & open_ & ~verdicts.settled)
    twins = np.flatnonzero(words == "leak")
    others = verdicts.twins.twin[twins]

    places = seen.places(np.concatenate([same, twins, others]))
    lost = places[(places["part"] > 0) & np.isin(places["row"], same)]
    lost = lost[lost["part"].to_numpy() < part[lost["row"]]]
    found = pd.DataFrame(
        {
            "row": np.concatenate([lost["row"], twins]),
            "part": np.concatenate([lost["part"], part[twins]]),
            "other": np.concatenate([lost["row"], others]),
            "other_part": np.concatenate([part[lost["row"]], part[others]]),
        }
    ).sort_values(["row", "part"], ignore_index=True)
    address = places.set_index(["row", "part"])["address"]
    table = pd.DataFrame(index=found.index, columns=list(LEAKS))
    for name, rows, prefix in (("id", found["row"], ""), ("other", found["other"], "other_")):
        parts = found[f"{prefix}part"]
        known = address.reindex(pd.MultiIndex.from_arrays([rows, parts])).to_numpy(dtype=object)
        files = images["path"].iloc[rows].to_numpy(dtype=object)
        table[name] = images["id"].iloc[rows].to_numpy()
        table[f"{prefix}part"] = np.array(PARTS, dtype=object)[parts]
        # The path, if no address is known.
        table[f"{prefix}place"] = np.where(pd.isna(known), files, known)
    return table


def find_lookalikes(
    pairs: pd.DataFrame,
    repeats: Indices,
    *,
    labels: Texts,
    greys: npt.NDArray[np.uint8],
    kept: int,
    similarity: float,
) -> pd.DataFrame:
    """Return signs that near-duplicates are different images, and what separates them.

    Args:
        pairs: See :func:`pixmill.validate.tables.pair_table`.
        repeats: See :class:`pixmill.images.likeness.groups.VerifiedPairs`.
        labels: Label of each image; ``None`` if it has none.
        greys: Small greyscale versions of all images, shape (n, 32, 32).
        kept: Number of compared images.
        similarity: ``validate.duplicate_similarity``.

    Returns:
        :data:`LOOKALIKES`, one row per sign: ``found``, a clause; ``similarity``, the suggested
        setting; ``apart``, the share of images without near-duplicates at that setting. Pairs that
        no similarity separates are copies.
    """
    some = _pairs_among(np.unique(repeats)[:_MAX_SAMPLE], labels, greys, similarity)
    every = pd.concat([pairs.astype({"a": object, "b": object}), some], ignore_index=True)
    across = every["label_a"] != every["label_b"]
    ends = pd.concat([pairs["a"], pairs["b"]]).value_counts()
    alike = len(ends) + len(np.unique(repeats))
    others = np.median([*ends, *np.full(len(repeats), _MIN_ALIKE_OTHERS)]) if alike else 0
    rows = []
    if across.sum() >= _MIN_ACROSS_PAIRS and across.mean() >= _MIN_ACROSS_SHARE:
        clause = f"{percent(across.mean(), 0)} of the near-duplicate pairs have different labels"
        rows.append((clause, *_similarity(every[across])))
    if alike >= _MIN_ALIKE_SHARE * kept and others >= _MIN_ALIKE_OTHERS:
        clause = f"{alike:,} of {kept:,} images are near-duplicates of another"
        rows.append((clause, *_similarity(every)))
    found = pd.DataFrame(rows, columns=list(LOOKALIKES))
    return found[found["apart"] >= 0.5].reset_index(drop=True)


def _pairs_among(
    rows: Indices, labels: Texts, greys: npt.NDArray[np.uint8], similarity: float
) -> pd.DataFrame:
    """Return the pairs of similar images among some rows, without mirroring."""
    compared = Compared(greys[rows])
    scores = correlations(compared, compared)
    one, other = np.nonzero(np.triu(scores >= similarity, 1))
    named = labels[rows]
    ends = {"a": rows[one].astype(object), "b": rows[other].astype(object)}
    return pd.DataFrame(
        ends | {"similarity": scores[one, other], "label_a": named[one], "label_b": named[other]}
    )


def _similarity(pairs: pd.DataFrame) -> tuple[float, float]:
    """Return the least similarity at which nearly all images are in no pair, and their share."""
    ends = pd.concat([pairs.set_index(end)["similarity"] for end in ("a", "b")])
    nearest = ends.groupby(level=0, sort=False).max()
    least = min(
        _MAX_SIMILARITY,
        round(float(nearest.quantile(_SEPARATED_SHARE, interpolation="higher")) + 0.0001, 4),
    )
    return least, float((nearest < least).mean())


def lookalikes_advice(lookalikes: pd.DataFrame, *, where: str = " in reports/validate.html") -> str:
    """Return advice on look-alikes as a clause.

    Args:
        lookalikes: See :func:`find_lookalikes`; at least one row.
        where: Phrase for the place where the near-duplicates are shown.
    """
    best: dict[Any, Any] = lookalikes.sort_values("similarity").iloc[-1].to_dict()
    return (
        f"if the near-duplicates{where} are different images that look alike, as before a fixed "
        "camera, set "
        f"validate.duplicate_similarity: {best['similarity']:g}, which keeps {percent(best['apart'], 0)} "
        "of them apart"
    )
