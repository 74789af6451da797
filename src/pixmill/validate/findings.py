"""Findings about identical images: label conflicts, placeholders and leaks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.validate.sightings import PARTS, SightingIndex
from pixmill.validate.verdicts import Verdicts

REPEATED = ("id", "kind", "images", "addresses", "labels")
LEAKS = ("id", "part", "place", "other", "other_part", "other_place")

Indices = npt.NDArray[np.int64]


def find_repeated(ids: pd.Series[str], verdicts: Verdicts, seen: SightingIndex, repeats: Indices) -> pd.DataFrame:
    """Return the conflicts and placeholders without a decision, one row per image including its copies.

    Args:
        ids: Image ids by row.
        verdicts: Verdicts on the images.
        seen: Sightings of the images.
        repeats: Rows of each of very many near-duplicates and of the image kept instead, shape (m, 2). The latter is a
            placeholder too.

    Returns:
        :data:`REPEATED`, sorted by id: ``id`` of the first copy, ``kind`` (``conflict`` or ``placeholder``), number of
        ``images``, number of distinct ``addresses``, and the ``labels`` (``coat, dress``).
    """
    twins = verdicts.twins
    of_twins = np.flatnonzero(twins.conflict | twins.placeholder)
    leaders = np.setdiff1d(repeats[:, 1], np.append(twins.first[of_twins], np.flatnonzero(verdicts.settled)))
    first = np.concatenate([twins.first[of_twins], leaders])
    of = _numbers(of_twins, len(twins.members))[twins.of]
    number = _numbers(leaders, len(ids))
    for members, stand in ((leaders, leaders), (repeats[:, 0], repeats[:, 1])):
        near = number[stand] >= 0
        of[members[near]] = number[stand[near]] + len(of_twins)
    return pd.DataFrame(
        {
            "id": ids.iloc[first].to_numpy(),
            "kind": np.where(np.append(twins.conflict[of_twins], leaders < 0), "conflict", "placeholder").astype(
                object
            ),
            "images": np.bincount(of[of >= 0], minlength=len(first)),
            "addresses": seen.kinds(of, len(first), seen.address),
            "labels": _labels(of, len(first), verdicts.labels, seen),
        },
        columns=list(REPEATED),
    ).sort_values("id", ignore_index=True)


def _numbers(chosen: Indices, count: int) -> Indices:
    """Return the position of each of ``count`` indices in ``chosen``, -1 if absent, and -1 as the last element."""
    numbers = np.full(count + 1, -1, np.int64)
    numbers[chosen] = np.arange(len(chosen))
    return numbers


def _labels(of: Indices, count: int, labels: npt.NDArray[np.object_], seen: SightingIndex) -> list[str]:
    """Return the labels of each set of images, including those of their sightings."""
    owners, codes = seen.pairs(of, seen.label)
    named = np.flatnonzero((of >= 0) & (labels != None))  # noqa: E711 (elementwise)
    found = pd.DataFrame(
        {"set": np.concatenate([owners, of[named]]), "label": np.concatenate([seen.labels[codes], labels[named]])}
    )
    texts = found.drop_duplicates().sort_values(["set", "label"]).groupby("set")["label"].agg(", ".join)
    return list(texts.reindex(range(count), fill_value=""))


def find_leaks(images: pd.DataFrame, verdicts: Verdicts, seen: SightingIndex) -> pd.DataFrame:
    """Return the images that are in two predefined splits, except those that a decision keeps.

    Args:
        images: One row per image, sorted by id, with ``id``, ``path`` and ``part`` (index of the predefined split in
            :data:`pixmill.validate.sightings.PARTS` that keeps the image).
        verdicts: Verdicts on the images.
        seen: Sightings of the images.

    Returns:
        :data:`LEAKS`, one row per image and split that loses it, sorted: ``id`` and ``place`` in the losing ``part``;
        the ``other`` image (the same id for the same file), its ``other_part`` and ``other_place``.
    """
    part = images["part"].to_numpy(np.int64)
    words = pd.Series(verdicts.words(), dtype=object)
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
    ids = images["id"]
    return pd.DataFrame(
        {
            "id": ids.iloc[found["row"]].to_numpy(),
            "part": _names(found["part"]),
            "place": _places(images, address, found["row"], found["part"]),
            "other": ids.iloc[found["other"]].to_numpy(),
            "other_part": _names(found["other_part"]),
            "other_place": _places(images, address, found["other"], found["other_part"]),
        },
        columns=list(LEAKS),
    )


def _names(parts: pd.Series[int]) -> npt.NDArray[np.object_]:
    names: npt.NDArray[np.object_] = np.array(PARTS, dtype=object)[parts]
    return names


def _places(
    images: pd.DataFrame, address: pd.Series[str], rows: pd.Series[int], parts: pd.Series[int]
) -> npt.NDArray[np.object_]:
    """Return the address of each image in a split, or its path if no address is known."""
    known = address.reindex(pd.MultiIndex.from_arrays([rows, parts])).to_numpy(dtype=object)
    files = images["path"].iloc[rows].to_numpy(dtype=object)
    return np.where(pd.isna(known), files, known)
