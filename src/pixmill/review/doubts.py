"""The queue of cases: what is in doubt about a project's pictures, most doubtful first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import pandas as pd

from pixmill.review.case import KINDS, Case, Kind, Link
from pixmill.review.material import Material
from pixmill.review.outliers import Habits, find_habits
from pixmill.review.ranking import ranked_suspects
from pixmill.review.suspects import find_suspects
from pixmill.validate.reasons import REASONS, UNREADABLE, meaning, word

__all__ = ["SHOWN", "find_doubts"]

Item = TypeVar("Item")

SHOWN = 9
"""The most pictures side by side: one key each."""

_MOST = 25
"""Undecided outliers, and labels in doubt, of one class: such lists have no natural end, and their heads matter."""

_SETTLED = {"review", "label_conflict", "duplicate_pixels", "leak", "repeated"}
"""Reasons that no look at the picture alone would change."""


def find_doubts(material: Material, *, decided: Collection[int] = (), only: Kind | None = None) -> list[Case]:
    """Return the cases in the order in which a person should see them.

    Args:
        material: What is reviewed.
        decided: Rows on which people have decided already; they do not use up the places of a class.
        only: The one kind that is wanted; default: all.
    """
    habits = find_habits(material.manifest) if only in (None, "labels", "outliers") else {}
    found: dict[Kind, Iterator[Case]] = {
        "conflicts": _conflicts(material),
        "near-duplicates": _near_duplicates(material),
        "labels": _labels(material, habits, decided),
        "outliers": _outliers(habits, decided),
        "dropped": _dropped(material),
    }
    return list(chain.from_iterable(found[kind] for kind in KINDS if only in (None, kind)))


def _conflicts(material: Material) -> Iterator[Case]:
    """Yield pictures that came under several labels, with all others of the same pixels."""
    table = material.manifest[["pixels", "width", "height", "reason"]]
    torn = table["reason"].str.startswith("label_conflict").fillna(False).to_numpy(bool)
    alike = table[table["pixels"].isin(table.loc[torn, "pixels"])]
    groups = alike.groupby(["pixels", "width", "height"], sort=False).indices.values()
    for rows in sorted((sorted(alike.index[places].tolist()) for places in groups), key=lambda rows: rows[0]):
        if not torn[rows].any():
            continue
        names = dict.fromkeys(name for row in rows for name in _came_as(material, row))
        files = "The same file" if len(rows) == 1 else f"{len(rows)} files with the same pixels"
        yield Case(
            "conflicts",
            "One picture, several labels",
            f"{files} came as {_listed(list(names))}: which label is right?",
            tuple(_varied(rows, material.labels)),
        )


def _near_duplicates(material: Material) -> Iterator[Case]:
    """Yield sets of near-duplicates that together hold every verified pair once; those across labels come first."""
    pairs, similarity = material.pairs, material.similarity
    labels = np.array([label or "" for label in material.labels], dtype=object)
    across = labels[pairs[:, 0]] != labels[pairs[:, 1]] if len(pairs) else np.zeros(0, bool)
    order = np.lexsort((-similarity, ~across))
    cases = []
    for edges in _covers(pairs.tolist(), order.tolist()):
        members = list(dict.fromkeys(chain.from_iterable(pairs[edges].tolist())))
        place = {row: number for number, row in enumerate(members)}
        links = []
        for edge in edges:
            a, b = sorted(place[row] for row in pairs[edge].tolist())
            links.append(Link(a, b, float(similarity[edge])))
        cases.append((bool(across[edges].any()), members, links))
    # A set that begins within a label may have grown across.
    for crossing, members, links in sorted(cases, key=lambda case: not case[0]):
        named = list(dict.fromkeys(str(material.labels[row]) for row in members))
        # Rounded down: only equal pixels are wholly alike.
        least = math.floor(min(link.similarity for link in links) * 10_000) / 10_000
        yield Case(
            "near-duplicates",
            "Nearly the same picture under different labels" if crossing else "Nearly the same picture",
            f"{len(members)} pictures of {_listed(named)}, {'' if len(links) == 1 else 'at least '}{least:.4f} alike: "
            + ("which label is right, and which pictures stay?" if crossing else "which of them stay?"),
            tuple(members),
            tuple(links),
        )


def _labels(material: Material, habits: dict[str, Habits], decided: Collection[int]) -> Iterator[Case]:
    ranked = material.ranking is not None
    suspects = (
        find_suspects(material.manifest)
        if material.ranking is None
        else ranked_suspects(material.manifest, material.ranking)
    )
    for suspect in _heads(suspects, [item.label for item in suspects], [item.row for item in suspects], decided):
        shown = [habits[label].ordinary(2) for label in (suspect.label, suspect.other) if label in habits]
        beside = tuple(row for rows in shown for row in rows if row != suspect.row)
        by = "a model that has not seen it finds" if ranked else "by shape and greys"
        yield Case(
            "labels",
            "A label in doubt",
            f"It carries the label '{suspect.label}', but {by} "
            + (f"'{suspect.other}' more probable." if ranked else f"it looks more like '{suspect.other}'."),
            (suspect.row,),
            beside=beside,
            suggestion=suspect.other,
        )


def _outliers(habits: dict[str, Habits], decided: Collection[int]) -> Iterator[Case]:
    found = sorted(
        ((item, habit) for habit in habits.values() for item in habit.outliers()),
        key=lambda pair: (-pair[0].score, pair[0].row),
    )
    labels = [habit.label for _, habit in found]
    for item, habit in _heads(found, labels, [item.row for item, _ in found], decided):
        beside = tuple(row for row in habit.ordinary(3) if row != item.row)
        yield Case("outliers", "Unlike its class", item.why, (item.row,), beside=beside)


def _dropped(material: Material) -> Iterator[Case]:
    """Yield what a rule has dropped and a decision can rescue."""
    reasons = material.manifest["reason"].dropna()
    words = reasons.map(word)
    for name in REASONS:
        if name in UNREADABLE or name in _SETTLED:
            continue
        for row in words.index[words == name].tolist():
            yield Case("dropped", f"Dropped: {name}", f"{_sentence(meaning(reasons[row]))} Rescue it?", (row,))


def _covers(pairs: Sequence[Sequence[int]], order: Sequence[int]) -> Iterator[list[int]]:
    """Yield sets of edges, each of at most :data:`SHOWN` rows, that together are all edges.

    Args:
        pairs: The edges, as two rows each.
        order: The edges' numbers; a set begins with the first that is in none yet, and grows by the first that
            touches it.
    """
    touching: dict[int, list[tuple[int, int]]] = {}
    for rank, edge in enumerate(order):
        for row in pairs[edge]:
            touching.setdefault(row, []).append((rank, edge))
    covered: set[int] = set()
    for edge in order:
        if edge in covered:
            continue
        members = set(pairs[edge])
        front = list(heapq.merge(*(touching[row] for row in members)))
        taken = [edge]
        covered.add(edge)
        while front:
            _, nearest = heapq.heappop(front)
            grown = members | set(pairs[nearest])
            if nearest in covered or len(grown) > SHOWN:
                continue
            taken.append(nearest)
            covered.add(nearest)
            for row in grown - members:
                for item in touching[row]:
                    heapq.heappush(front, item)
            members = grown
        yield taken


def _heads(
    items: Sequence[Item], labels: Sequence[str], rows: Sequence[int], decided: Collection[int]
) -> Iterator[Item]:
    """Yield the first few undecided items of each label, and all decided ones, in their order."""
    places: dict[str, int] = {}
    for item, label, row in zip(items, labels, rows, strict=True):
        if row not in decided:
            places[label] = places.get(label, 0) + 1
        if row in decided or places[label] <= _MOST:
            yield item


def _came_as(material: Material, row: int) -> list[str]:
    """Return the label of a picture, or all that it came under."""
    label = material.labels[row]
    return [label] if label is not None else sorted({seen["label"] for seen in material.sightings(row)})


def _varied(rows: Sequence[int], labels: Sequence[str | None]) -> list[int]:
    """Return the rows with one of each label first, so that the first few show every label."""
    nth = pd.Series([labels[row] or "" for row in rows]).groupby(lambda place: labels[rows[place]] or "").cumcount()
    return [row for _, row in sorted(zip(nth.tolist(), rows, strict=True))]


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
