"""What the label of an image is by task: how images are judged, compared and counted by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pixmill.core.cells import (
    NO,
    UNKNOWN,
    YES,
    Cells,
    Matrix,
    Task,
    by_label,
    merge_cells,
    parse_cells,
    render_cells,
    to_matrix,
)
from pixmill.core.decided_cells import DecidedCells
from pixmill.core.decisions import Decided, Row
from pixmill.validate.shortcuts import find_shortcuts
from pixmill.validate.sightings import SightingIndex, Texts
from pixmill.validate.tables import REPEATED, class_table

if TYPE_CHECKING:
    from pixmill.validate.verdicts import Rulings

_MAX_PAIRS = 40
"""Pairs of labels whose co-occurrence is listed."""

_MAX_COMPARED = 2000
"""Images in which shortcuts to a label are looked for; there may be a hundred labels."""


class OneLabel:
    """An image has one class.

    Args:
        named: What messages call the images of a label.
        disputed: Message on images whose sources disagree, from their number and labels.
        declared_in: Table with the labels that must be declared.
        balanced: Severities of the checks of ``validate.class_balance``.
        least: Column of :meth:`table` with what ``validate.min_per_class`` counts.
        counted: Phrase for it, from a row of the table.
        each: Of what ``validate.min_per_class`` is the number, if it needs to be said.
        advice: Clause on what to do about classes with less.
        table: Returns the table of classes.
        shortcuts: Returns the shortcuts.
    """

    named = "class '{}'"
    disputed = "{} found under several labels: {}"
    declared_in = "images"
    balanced: tuple[Literal["warning", "critical"], ...] = ("warning", "critical")
    least = "n"
    counted = "class '{label}' has {n:,} image{s}"
    each = ""
    advice: str | None = None
    table = staticmethod(class_table)
    shortcuts = staticmethod(find_shortcuts)

    def settle(
        self,
        images: pd.DataFrame,  # noqa: ARG002 (several labels need it)
        rulings: Rulings,
        decided: Mapping[str, Decided],  # noqa: ARG002
        seen: SightingIndex,
    ) -> tuple[Rulings, SightingIndex, pd.DataFrame | None]:
        """Settle what copies of an image say together.

        Args:
            images: One row per image, with ``id``, ``pixels``, ``width`` and ``height``.
            rulings: What people decided.
            decided: The same by id.
            seen: Sightings of the images.

        Returns:
            Rulings with the labels of each image; the sightings, whose labels must not differ; and
            the conflicts, as :data:`pixmill.validate.tables.REPEATED`, unless differing labels show
            them.
        """
        return rulings, seen, None

    def comparable(self, labels: Texts) -> Texts:
        """Return what must be equal in copies of an image."""
        return labels

    def compare(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return pairs of images with ``label_a`` and ``label_b`` that differ if labels do."""
        return pairs

    def figures(
        self,
        manifest: pd.DataFrame,  # noqa: ARG002 (several labels need it)
        table: pd.DataFrame,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return further content of ``plots/validate/full.json``, also from :meth:`table`."""
        return {}


class SeveralLabels(OneLabel):
    """An image has any of the labels, and lacks others; of the rest nothing is known."""

    named = "'{}'"
    disputed = "{} whose sources disagree, so that it is unknown: {}"
    declared_in = "labels"
    # Rare labels are as people label images; rare classes are as people collect them.
    balanced = ("warning",)
    least = "rarer"
    counted = "label '{label}' has {n:,} yes and {no:,} no, and {unknown:,} unknown"
    each = " of each"
    advice = "label more images with the rarer answer, or take the label out of classes"

    def settle(
        self,
        images: pd.DataFrame,
        rulings: Rulings,
        decided: Mapping[str, Decided],
        seen: SightingIndex,
    ) -> tuple[Rulings, SightingIndex, pd.DataFrame | None]:
        """Merge the cells of all copies; people's answers win over those that came."""
        ids = images["id"].astype(object)
        pixels = images["pixels"].astype(object).fillna(ids)
        same = images.groupby([pixels, "width", "height"], sort=False, dropna=False)
        sets = same.ngroup().to_numpy()
        used = rulings.fates != "drop"
        came: dict[int, dict[str, None]] = defaultdict(dict)
        heard = used[seen.row] & (seen.label >= 0)
        for row, code in zip(seen.row[heard], seen.label[heard], strict=True):
            came[sets[row]][seen.labels[code]] = None
        said: dict[int, list[Row]] = defaultdict(list)
        for row in np.flatnonzero(ids.isin(list(decided)) & used):
            said[sets[row]] += decided[ids[row]].rows
        judged = np.flatnonzero(used & ~rulings.unlabelled)
        _, first = np.unique(sets[judged], return_index=True)
        sizes = np.bincount(sets)
        texts: dict[int, str | None] = {}
        conflicts = []
        for row in judged[np.sort(first)]:
            of = sets[row]
            texts[of], unclear = _settle(came[of], said[of])
            if unclear:
                conflicts.append((ids[row], "conflict", sizes[of], 1, ", ".join(unclear)))
        labels = rulings.labels.copy()
        labels[judged] = [texts[of] for of in sets[judged]]
        found = pd.DataFrame(conflicts, columns=list(REPEATED))
        unlike = np.full_like(seen.label, -1)
        return replace(rulings, labels=labels), replace(seen, label=unlike), found

    def comparable(self, labels: Texts) -> Texts:
        """Return nothing: copies may have different cells."""
        return np.full_like(labels, "")

    def compare(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return pairs with the labels on which they disagree."""
        texts = zip(pairs["label_a"], pairs["label_b"], strict=True)
        found = pd.DataFrame(
            [_differing(*map(parse_cells, pair)) for pair in texts],
            index=pairs.index,
            columns=["label_a", "label_b"],
            dtype=object,
        )
        return pairs.assign(**found)

    @staticmethod
    def table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
        """Return the table with ``no``, ``unknown``, ``prevalence``, and the ``rarer`` answer."""
        cells = _kept_cells(manifest, classes)
        found = class_table(by_label(manifest[["label", "verdict"]]), classes)
        found["no"] = (cells == NO).sum(axis=0)
        found["unknown"] = (cells == UNKNOWN).sum(axis=0)
        known = found["n"] + found["no"]
        found["prevalence"] = (found["n"] / known.clip(lower=1)).round(4)
        found["rarer"] = found[["n", "no"]].min(axis=1)
        return found

    @staticmethod
    def shortcuts(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
        """Return the shortcuts to any label, from images that have it to those that lack it."""
        kept = manifest[manifest["verdict"] == "keep"]
        cells = to_matrix(kept["label"], classes)
        every = [find_shortcuts(kept[:0], classes)]
        for place, label in enumerate(classes):
            known = np.flatnonzero(cells[:, place] != UNKNOWN)[:_MAX_COMPARED]
            answers = np.where(cells[known, place] == YES, label, f"not {label}")
            sides = [label, f"not {label}"]
            every.append(find_shortcuts(kept.iloc[known].assign(label=answers), sides))
        found = pd.concat(every).sort_values("skill", ascending=False, kind="stable")
        return found.drop_duplicates("property", ignore_index=True)

    def figures(self, manifest: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
        """Return ``labels.<label>`` (answers, prevalence) and ``co_occurrence`` of kept images."""
        labels = table["label"].tolist()
        answers = table.set_index("label")[["n", "no", "unknown", "prevalence"]]
        return {
            "labels": answers.rename(columns={"n": "yes"}).astype(object).to_dict("index"),
            "co_occurrence": co_occurrence(_kept_cells(manifest, labels), labels),
        }


def co_occurrence(cells: Matrix, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return how often two labels come together, the closest pairs first.

    >>> co_occurrence(np.array([[1, 1, 0], [1, 1, 0], [0, -1, 1]], np.int8), ["a", "b", "c"])
    [{'a': 'a', 'b': 'b', 'both': 2, 'either': 2}]

    Returns:
        Labels ``a`` and ``b``, the number of images with ``both``, and with ``either`` among those
        of which both are known. If they are equal, the labels always come together.
    """
    yes = (cells == YES).astype(np.float32)
    of_known = yes.T @ (cells != UNKNOWN)
    both = yes.T @ yes
    either = of_known + of_known.T - both
    found = [
        {"a": labels[a], "b": labels[b], "both": int(both[a, b]), "either": int(either[a, b])}
        for a, b in np.argwhere(np.triu(both, 1))
    ]
    return sorted(found, key=lambda pair: -pair["both"] / pair["either"])[:_MAX_PAIRS]


def _kept_cells(manifest: pd.DataFrame, classes: Sequence[str]) -> Matrix:
    return to_matrix(manifest.loc[manifest["verdict"] == "keep", "label"], classes)


def _settle(came: Iterable[str], said: Sequence[Row]) -> tuple[str | None, list[str]]:
    """Return the text of what is known of an image, and the labels that are to be decided."""
    merged, disputed = merge_cells(map(parse_cells, came))
    decided = DecidedCells(tuple(said))
    text = decided.resolve_label(render_cells(merged))
    known = parse_cells(text)
    return text, [
        label
        for label in dict.fromkeys([*disputed, *decided.disputed])
        if label not in ("", *known)
    ]


def _differing(one: Cells, other: Cells) -> list[str]:
    """Return what each of two images says of the labels on which they disagree."""
    labels = merge_cells([one, other])[1]
    return [
        ", ".join(label if cells[label] else f"not {label}" for label in labels)
        for cells in (one, other)
    ]


LABELLINGS: dict[Task, OneLabel] = {"one_label": OneLabel(), "labels": SeveralLabels()}
"""What labels are, by ``task``."""
