"""Cases to review: images shown side by side, the most urgent kinds first."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, get_args

import numpy as np
import pandas as pd

from pixmill.core.words import join_names
from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.review.material import ReviewData
from pixmill.review.outliers import ClassProfile, find_habits
from pixmill.validate.decisions import Decision
from pixmill.validate.reasons import REASONS, UNREADABLE, meaning, word

Kind = Literal[
    "feedback", "conflicts", "flips", "labels", "errors", "near-duplicates", "uncertain", "outliers", "dropped"
]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of cases, the most urgent first."""

SHOWN = 9
"""The most images side by side: one key each."""

_MOST = 25
"""Undecided cases of one kind and class that ask about a label: such lists have no natural end."""

_UNCERTAIN = 0.2
"""A prediction is uncertain where the two most probable classes are less than this apart."""

_SETTLED = {"review", "label_conflict", "duplicate_pixels", "leak", "repeated"}
"""Reasons that do not depend on the image alone."""


_Give = Callable[[Sequence[int]], Iterator[int]]


@dataclass(frozen=True)
class Case:
    """Images to decide on together.

    Args:
        kind: ``named``: the reviewer asked for the image. Else what to decide: what becomes of an image that somebody
            corrected the model on (``feedback``); the label of one image that came under several (``conflicts``); which
            of verified near-duplicates stay, and under which label (``near-duplicates``); whether an image that looks
            like those of another class has the right label (``labels``), or one that the model was right on at the base
            and now is wrong on (``flips``), one that it is wrong on (``errors``), or one that it cannot tell
            (``uncertain``); whether one that is unlike its class belongs to it (``outliers``); whether one that was
            dropped by a rule should be (``dropped``).
        title: The question in a few words.
        why: The reason, as a sentence.
        members: Rows of the manifest, in the order in which they are shown.
        links: Near-duplicates among the members, as pairs of rows.
        beside: Rows that are shown for comparison, and not decided on.
        suggestion: The label that the image may have instead.
    """

    kind: Kind | Literal["named"]
    title: str
    why: str
    members: tuple[int, ...]
    links: tuple[tuple[int, int], ...] = ()
    beside: tuple[int, ...] = ()
    suggestion: str | None = None

    def is_settled(self, labels: Sequence[str | None], decisions: Mapping[int, Decision]) -> bool:
        """Tell whether the case is settled.

        A conflict is settled once images of one label were chosen (kept or given it), or what was not dropped has
        one label. Near-duplicates are settled once each linked pair has a decision on one of its two. All else is
        settled once it has a decision.

        Args:
            labels: The label of each row; ``None`` where the image came under several.
            decisions: What people decided, by row.
        """
        if self.kind == "conflicts":
            return self._has_one_label(labels, decisions)
        if self.links:
            return all(a in decisions or b in decisions for a, b in self.links)
        return all(row in decisions for row in self.members)

    def _has_one_label(self, labels: Sequence[str | None], decisions: Mapping[int, Decision]) -> bool:
        chosen, standing = set(), set()
        for row in self.members:
            decision = decisions.get(row)
            if decision is None or (decision.verb == "keep" and labels[row] is None):
                standing.add(labels[row])
            elif decision.verb != "drop":
                chosen.add(decision.label or labels[row])
        return len(chosen) == 1 if chosen else None not in standing and len(standing) < 2


def find_doubts(
    material: ReviewData,
    feedback: Iterable[Case] = (),
    *,
    flips: pd.DataFrame | None = None,
    decided: Collection[int] = (),
    only: Kind | None = None,
) -> list[Case]:
    """Return the cases in the order of review: by kind, but near-duplicates with different labels after conflicts.

    An image whose label is in question is shown under the most urgent kind alone.

    Args:
        material: What is reviewed.
        feedback: The cases of the inbox.
        flips: Images that the base gets right, from
            :class:`pixmill.experiments.compare.comparison.Numbers`; default: none.
        decided: Rows on which people have decided already; they do not use up the places of a class.
        only: The one kind that is wanted; default: all.
    """
    habits = find_habits(material.manifest) if only not in ("feedback", "conflicts", "dropped") else {}
    feedback = list(feedback)
    give = _places(material.labels, decided, {row for case in feedback for row in case.members if only is None})
    found: dict[Kind, Iterable[Case]] = {
        "feedback": feedback,
        "conflicts": _conflicts(material),
        "near-duplicates": _near_duplicates(material),
        "outliers": _outliers(habits, give),
        "dropped": _dropped_cases(material),
    }
    for kind, title, why, images in _labels(material, flips):
        found[kind] = _label_cases(kind, title, why, images, habits, give)

    def urgency(case: Case) -> int:
        across = case.kind == "near-duplicates" and len({material.labels[row] for row in case.members}) > 1
        return KINDS.index("conflicts" if across else case.kind)

    return sorted(chain.from_iterable(found.get(kind, ()) for kind in KINDS if only in (None, kind)), key=urgency)


def _places(labels: Sequence[str | None], decided: Collection[int], taken: set[int]) -> _Give:
    """Return a function that yields the indices of the rows of one kind, most urgent first, that get a place.

    An image gets one place among the kinds that ask about its label, and a class a few places in each of them.

    Args:
        labels: The label of each row.
        decided: Rows that use up no place of their class.
        taken: Rows that have their place already.
    """

    def give(rows: Sequence[int]) -> Iterator[int]:
        used: Counter[str | None] = Counter()
        for index, row in enumerate(rows):
            counts = row not in decided
            if row not in taken and (used[labels[row]] < _MOST or not counts):
                taken.add(row)
                used[labels[row]] += counts
                yield index

    return give


def _conflicts(material: ReviewData) -> Iterator[Case]:
    """Yield images that came under several labels, with all others of the same pixels."""
    table = material.manifest[["pixels", "width", "height", "reason"]]
    torn = table["reason"].str.startswith("label_conflict").fillna(False).to_numpy(bool)
    alike = table[table["pixels"].isin(table.loc[torn, "pixels"])]
    groups = alike.groupby(["pixels", "width", "height"], sort=False).indices.values()
    for rows in sorted((sorted(alike.index[places].tolist()) for places in groups), key=lambda rows: rows[0]):
        if not torn[rows].any():
            continue
        names = dict.fromkeys(name for row in rows for name in _came_as(material, row))
        yield Case(
            "conflicts",
            "Conflicting labels",
            f"The same image was found as {join_names(list(names))}. Which label is right?",
            tuple(rows),
        )


def _near_duplicates(material: ReviewData) -> Iterator[Case]:
    """Yield sets of near-duplicates that together hold every verified pair once; those across labels come first."""
    pairs = material.pairs
    labels = np.array([label or "" for label in material.labels], dtype=object)
    across = labels[pairs[:, 0]] != labels[pairs[:, 1]] if len(pairs) else np.zeros(0, bool)
    order = np.lexsort((-material.similarity, ~across))
    for edges in _covers(pairs.tolist(), order.tolist()):
        members = list(dict.fromkeys(chain.from_iterable(pairs[edges].tolist())))
        is_across = bool(across[edges].any())
        names = join_names(list(dict.fromkeys(str(material.labels[row]) for row in members)))
        yield Case(
            "near-duplicates",
            "Near-duplicates with different labels" if is_across else "Near-duplicates",
            f"{len(members)} images of {names}. "
            + ("Which label is right, and which images do you keep?" if is_across else "Which do you keep?"),
            tuple(members),
            tuple((a, b) for a, b in pairs[edges].tolist()),
        )


def _labels(material: ReviewData, flips: pd.DataFrame | None) -> Iterator[tuple[Kind, str, str, pd.DataFrame]]:
    """Yield the kinds that ask whether the label is right or another: kind, title, the sentence, and the images.

    The images are rows of a table with ``row``, ``label``, ``other`` and what the sentence names, the most urgent
    first. They may be of an earlier run: what is gone, dropped or relabelled since is left out.
    """
    if flips is not None:
        lost = material.still_labelled(flips[~flips["gained"]])
        why = (
            "Labelled '{label}', which the base's model predicted ({base_confidence:.0%}); the model now predicts "
            "'{other}' ({head_confidence:.0%})."
        )
        yield "flips", "Right at the base, wrong now", why, lost.assign(other=lost["head_predicted"])
    if material.ranking is not None:
        doubtful = material.still_labelled(material.ranking[material.ranking["suggested"].notna()])
        why = "Labelled '{label}', but a model that was not trained on this image finds '{other}' more likely."
        yield "labels", "Label to review", why, doubtful.assign(other=doubtful["suggested"]).sort_values("rank")
    if material.predictions is not None:
        found = _with_second(material.still_labelled(material.predictions))
        is_wrong = found["other"] == found["predicted"]
        why = "Labelled '{label}' ({label_p:.0%}), but the model predicts '{other}' ({p:.0%}). Split: {split}."
        wrong = found[is_wrong & (found["split"] != "train")].sort_values(["p", "id"], ascending=[False, True])
        yield "errors", "Wrong prediction", why, wrong
        why = "Labelled '{label}'. The model finds '{predicted}' ({p:.0%}) as likely as '{second}' ({second_p:.0%})."
        near = found[found["margin"] < _UNCERTAIN].sort_values(["margin", "id"])
        yield "uncertain", "Uncertain prediction", why, near


def _with_second(predictions: pd.DataFrame) -> pd.DataFrame:
    """Add the class with the second highest probability, and probabilities.

    Returns:
        Also ``second``; ``p``, ``second_p`` and ``label_p``, the probabilities of the predicted class, the second and
        the label; ``margin``, the first minus the second; ``other``, the most probable class that is not the label.
    """
    labels = [name.removeprefix("p_") for name in predictions.columns if name.startswith("p_")]
    shares, rows = probabilities_of(predictions, labels), np.arange(len(predictions))
    first, second = np.argsort(-shares, axis=1, kind="stable")[:, :2].T
    p, second_p = shares[rows, first], shares[rows, second]
    targets, names = class_indices(predictions["label"], labels), np.asarray(labels, dtype=object)
    return predictions.assign(
        second=names[second],
        p=p,
        second_p=second_p,
        label_p=shares[rows, targets],
        margin=p - second_p,
        other=names[np.where(first == targets, second, first)],
    )


def _label_cases(
    kind: Kind, title: str, why: str, images: pd.DataFrame, habits: Mapping[str, ClassProfile], give: _Give
) -> Iterator[Case]:
    """Yield the cases of a kind that :func:`_labels` describes, with typical images of both classes beside."""
    chosen = images.iloc[list(give(images["row"].tolist()))]
    for item in chosen.to_dict("records"):
        typical = [habits[name].ordinary(2) for name in (item["label"], item["other"]) if name in habits]
        beside = tuple(row for rows in typical for row in rows if row != item["row"])
        values = {str(name): value for name, value in item.items()}
        yield Case(kind, title, why.format_map(values), (item["row"],), beside=beside, suggestion=item["other"])


def _outliers(habits: Mapping[str, ClassProfile], give: _Give) -> Iterator[Case]:
    found = sorted(
        ((item, habit) for habit in habits.values() for item in habit.outliers()),
        key=lambda pair: (-pair[0].score, pair[0].row),
    )
    for index in give([item.row for item, _ in found]):
        item, habit = found[index]
        beside = tuple(row for row in habit.ordinary(3) if row != item.row)
        yield Case("outliers", "Outlier of its class", item.why, (item.row,), beside=beside)


def _dropped_cases(material: ReviewData) -> Iterator[Case]:
    """Yield images that a rule dropped and a decision can keep."""
    reasons = material.manifest["reason"].dropna()
    words = reasons.map(word)
    for name in REASONS:
        if name in UNREADABLE or name in _SETTLED:
            continue
        for row in words.index[words == name].tolist():
            why = meaning(reasons[row])
            yield Case("dropped", f"Dropped: {name}", f"{why[:1].upper()}{why[1:]}. Keep it anyway?", (row,))


def _covers(pairs: Sequence[Sequence[int]], order: Sequence[int]) -> Iterator[list[int]]:
    """Yield sets of edges, each of at most :data:`SHOWN` rows, that together are all edges.

    Args:
        pairs: The edges, as two rows each.
        order: The edges' numbers; a set begins with the first that is in none yet, and grows by those that touch it.
    """
    touching: dict[int, list[int]] = {}
    for edge in order:
        for row in pairs[edge]:
            touching.setdefault(row, []).append(edge)
    covered: set[int] = set()
    for first in order:
        if first in covered:
            continue
        members, taken = list(pairs[first]), []
        for row in members:  # which grows meanwhile
            for edge in touching[row]:
                fresh = set(pairs[edge]) - set(members)
                if edge not in covered and len(members) + len(fresh) <= SHOWN:
                    members += fresh
                    taken.append(edge)
                    covered.add(edge)
        yield taken


def _came_as(material: ReviewData, row: int) -> list[str]:
    """Return the label of an image, or all that it came under."""
    label = material.labels[row]
    return [label] if label is not None else sorted({seen["label"] for seen in material.sightings(row)})
