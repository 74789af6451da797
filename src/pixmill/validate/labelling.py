"""What the label of an image is by task: how images are judged, compared and counted by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import (
    NO,
    NONE,
    UNKNOWN,
    YES,
    Cells,
    Matrix,
    Task,
    by_label,
    merge_cells,
    parse_cells,
    render_cells,
    show_labels,
    to_matrix,
    yes_labels,
)
from pixmill.core.decisions import Decided
from pixmill.validate.shortcuts import find_shortcuts
from pixmill.validate.sightings import SightingIndex
from pixmill.validate.tables import REPEATED, class_table

if TYPE_CHECKING:
    from pixmill.validate.verdicts import Rulings

Words = npt.NDArray[np.object_]

_MAX_PAIRS = 40
"""Pairs of labels whose co-occurrence is listed."""

_MAX_COMPARED = 2000
"""Images in which shortcuts to a label are looked for; there may be a hundred labels."""


class OneLabel:
    """An image has one class.

    Args:
        named: What messages call the images of a label.
        disputed: Message on images whose sources disagree, from their number and labels.
        declared_in: Table whose column ``label`` has only declared labels.
        balanced: Severities of the checks of ``validate.class_balance``.
        least: Column of :meth:`table` with what ``validate.min_per_class`` counts.
        counted: Phrase for it, from a row of the table.
    """

    declared_in = "images"
    balanced: tuple[Literal["warning", "critical"], ...] = ("warning", "critical")
    least = "n"
    counted = "class '{label}' has {n:,} image{s}"
    named = "class '{}'"
    disputed = "{} found under several labels: {}"

    def resolve(self, decided: Decided, came: str | None) -> str | None:
        """Return the label after decisions; ``None`` if there is none, or if people disagree."""
        return decided.resolve_label(came)

    def is_disputed(self, decided: Decided) -> bool:
        """Return whether people gave an image labels of which it can have only one."""
        return decided.is_disputed

    def is_moved(self, decided: Decided, came: str | None) -> bool:
        """Return whether an image came with another label than people gave it."""
        label = self.resolve(decided, came)
        return None not in (came, label) and came != label and came not in decided.refused

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
            the conflicts, as :data:`pixmill.validate.tables.REPEATED`, unless they are to be found
            by differing labels.
        """
        return rulings, seen, None

    def comparable(self, labels: Words) -> Words:
        """Return what must be equal in copies of an image."""
        return labels

    def undeclared(self, text: str, classes: Collection[str]) -> list[str]:
        """Return the labels of an image that are not among the classes."""
        return [] if text in classes else [text]

    def compare(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return pairs of images with ``label_a`` and ``label_b`` that differ if labels do."""
        return pairs

    def by_label(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """Return one row for each label of each image, with the same index."""
        return manifest

    def show(self, text: str) -> str:
        """Return the labels of an image for pages and messages."""
        return text

    def table(self, manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
        """Return the table of classes, see :func:`pixmill.validate.tables.class_table`."""
        return class_table(manifest, classes)

    def shortcuts(self, manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
        """Return shortcuts, see :func:`pixmill.validate.shortcuts.find_shortcuts`."""
        return find_shortcuts(manifest, classes)

    def figures(
        self,
        manifest: pd.DataFrame,  # noqa: ARG002 (several labels need it)
        classes: Sequence[str],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return further content of ``plots/validate/full.json``."""
        return {}


class SeveralLabels(OneLabel):
    """An image has any of the labels, and lacks others; of the rest nothing is known."""

    declared_in = "undeclared"
    # Rare labels are as people label images; rare classes are as people collect them.
    balanced = ("warning",)
    least = "rarer"
    counted = "label '{label}' has {n:,} yes, {no:,} no and {unknown:,} unknown"
    named = "'{}'"
    disputed = "{} whose sources disagree, so that it is unknown: {}"

    def resolve(self, decided: Decided, came: str | None) -> str | None:
        """Return the cells after decisions; ``None`` if nothing is known."""
        return _render(decided.resolve_cells(parse_cells(came)))

    def is_disputed(self, decided: Decided) -> bool:  # noqa: ARG002 (an image may have all labels)
        """Return that all other labels hold: one on which people disagree is unknown."""
        return False

    def is_moved(self, decided: Decided, came: str | None) -> bool:
        """Return whether people gave another answer about a label than the one that came."""
        return bool(merge_cells([parse_cells(came), decided.resolve_cells({})])[1])

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
        heard = used[seen.row] & (seen.label >= 0)
        cells = [parse_cells(text) for text in seen.labels]
        came = _gather(
            (sets[row], cells[code])
            for row, code in zip(seen.row[heard], seen.label[heard], strict=True)
        )
        decisive = np.flatnonzero(ids.isin(list(decided)) & used)
        said = _gather(
            (sets[row], {each.label: each.answer == "yes"})
            for row in decisive.tolist()
            for each in decided[ids[row]].rows
            if each.label
        )
        judged = np.flatnonzero(used & ~rulings.unlabelled)
        # The first image of each set: a dictionary keeps the last of several values.
        first = dict(zip(sets[judged][::-1].tolist(), judged[::-1].tolist(), strict=True))
        settled = {of: _settle(came[of], said[of]) for of in first}
        labels = rulings.labels.copy()
        labels[judged] = [settled[of][0] for of in sets[judged].tolist()]
        sizes = np.bincount(sets)
        conflicts = [
            (ids[row], "conflict", sizes[of], 1, ", ".join(settled[of][1]))
            for of, row in sorted(first.items(), key=lambda item: item[1])
            if settled[of][1]
        ]
        found = pd.DataFrame(conflicts, columns=list(REPEATED))
        unlike = np.full_like(seen.label, -1)
        return replace(rulings, labels=labels), replace(seen, label=unlike), found

    def comparable(self, labels: Words) -> Words:
        """Return nothing: copies may have different cells."""
        return np.full_like(labels, "")

    def undeclared(self, text: str, classes: Collection[str]) -> list[str]:
        """Return the labels that are not declared."""
        return [label for label in parse_cells(text) if label not in classes]

    def compare(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return pairs with the labels on which they disagree."""
        ends = ("label_a", "label_b")
        both = [[parse_cells(text) for text in pairs[end]] for end in ends]
        differing = [merge_cells(pair)[1] for pair in zip(*both, strict=True)]
        texts = {
            end: [
                ", ".join(label if cells[label] else f"not {label}" for label in labels)
                for cells, labels in zip(side, differing, strict=True)
            ]
            for end, side in zip(ends, both, strict=True)
        }
        return pairs.assign(**{end: np.array(found, object) for end, found in texts.items()})

    def by_label(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """Return one row for each label that an image has; one for an image that has none."""
        return by_label(manifest, yes_labels, NONE)

    def show(self, text: str) -> str:
        """Return the labels that an image has."""
        return show_labels(yes_labels(text))

    def table(self, manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
        """Return the table with ``no``, ``unknown``, ``prevalence``, and the ``rarer`` answer."""
        cells = _kept_cells(manifest, classes)
        found = class_table(self.by_label(manifest[["label", "verdict"]]), classes)
        found["no"] = (cells == NO).sum(axis=0)
        found["unknown"] = (cells == UNKNOWN).sum(axis=0)
        known = found["n"] + found["no"]
        found["prevalence"] = (found["n"] / known.clip(lower=1)).round(4)
        found["rarer"] = found[["n", "no"]].min(axis=1)
        return found

    def shortcuts(self, manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
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

    def figures(self, manifest: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
        """Return ``labels.<label>`` (answers, prevalence) and ``co_occurrence`` of kept images."""
        table = self.table(manifest, classes).rename(columns={"n": "yes"}).set_index("label")
        columns = ["yes", "no", "unknown", "prevalence"]
        return {
            "labels": table[columns].astype(object).to_dict("index"),
            "co_occurrence": co_occurrence(_kept_cells(manifest, classes), classes),
        }


def co_occurrence(cells: Matrix, labels: Sequence[str]) -> list[dict[Hashable, Any]]:
    """Return how often two labels come together, the closest pairs first.

    >>> co_occurrence(np.array([[1, 1, 0], [1, 1, 0], [0, -1, 1]], np.int8), ["a", "b", "c"])
    [{'a': 'a', 'b': 'b', 'both': 2, 'either': 2}]

    Returns:
        Labels ``a`` and ``b``, the number of images with ``both``, and with ``either`` among those
        of which both are known. If they are equal, the labels always come together.
    """
    yes = (cells == YES).astype(np.float32)
    of_known = yes.T @ (cells != UNKNOWN).astype(np.float32)
    both = yes.T @ yes
    either = of_known + of_known.T - both
    a, b = np.triu_indices(len(labels), 1)
    pairs = {"both": both[a, b].astype(int), "either": either[a, b].astype(int)}
    names = np.array(labels, object)
    found = pd.DataFrame({"a": names[a], "b": names[b], **pairs}).query("both > 0")
    order = (-found["both"] / found["either"]).sort_values(kind="stable").index[:_MAX_PAIRS]
    return found.loc[order].to_dict("records")


def _kept_cells(manifest: pd.DataFrame, classes: Sequence[str]) -> Matrix:
    return to_matrix(manifest.loc[manifest["verdict"] == "keep", "label"], classes)


def _gather(pairs: Iterable[tuple[int, Cells]]) -> Mapping[int, list[Cells]]:
    """Return the distinct cells of each set of images."""
    found: dict[int, list[Cells]] = defaultdict(list)
    for of, each in pairs:
        if each not in found[of]:
            found[of].append(each)
    return found


def _settle(came: Iterable[Cells], said: Iterable[Cells]) -> tuple[str | None, list[str]]:
    """Return the text of what is known of an image, and the labels that are to be decided."""
    merged, disputed = merge_cells(came)
    answers, torn = merge_cells(said)
    known = {label: cell for label, cell in merged.items() if label not in torn}
    return _render(known | answers), [each for each in (*disputed, *torn) if each not in answers]


def _render(cells: Cells) -> str | None:
    return render_cells(cells) if cells else None


LABELLINGS: dict[Task, OneLabel] = {"one_label": OneLabel(), "labels": SeveralLabels()}
"""What labels are, by ``task``."""
