"""Cases to review: images to decide on together, ordered by urgency."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, get_args

import numpy as np
import pandas as pd

from pixmill.core.decisions import Decided, disputes
from pixmill.core.words import join_names, percent
from pixmill.evaluate.predictions import class_indices, classes_in, held_out, probabilities_of
from pixmill.review.outliers import ClassProfile, class_profiles
from pixmill.review.review_tables import ReviewTables
from pixmill.validate.reasons import REASONS, UNREADABLE, meaning, word

Kind = Literal[
    "feedback",
    "disputed",
    "conflicts",
    "labels",
    "flips",
    "errors",
    "near-duplicates",
    "uncertain",
    "outliers",
    "dropped",
]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of cases, most urgent first."""

MAX_SHOWN = 9
"""Maximum number of images side by side; each has a digit key."""

_MAX_PER_CLASS = 25
"""Maximum number of undecided cases of one class, for each kind that may be wrong often."""

_MIN_MARGIN = 0.2
"""Predictions whose two highest probabilities differ by less are uncertain."""

_NOT_OVERRIDABLE = {
    "review",
    "unlabelled",
    "disputed",
    "label_conflict",
    "duplicate_pixels",
    "leak",
    "repeated",
}
"""Reasons for a drop that do not depend on the image alone."""

_Selector = Callable[..., Iterator[int]]


@dataclass(frozen=True)
class Case:
    """Images to decide on together.

    Args:
        kind: ``feedback``: a user corrected the prediction. ``disputed``: people disagree about
            the image. ``conflicts``: it was found under several labels. ``labels``: its
            label is doubtful. ``flips``: the base's model predicts it correctly, the current model
            does not. ``errors``: the prediction is wrong.
            ``near-duplicates``: verified near-duplicates. ``uncertain``: two classes are
            nearly equally probable. ``outliers``: it is unlike its class. ``dropped``: a rule
            dropped it. ``named``: the reviewer named it.
        title: Short title.
        why: Reason as a sentence.
        members: Rows of the images in display order.
        links: Near-duplicates among the members, as pairs of rows.
        comparison: Rows of further images to compare with.
        suggestion: Suggested label; of a case that asks about one label, ``yes`` or ``no``.
        label: The label that it asks about, if images have several.
    """

    kind: Kind | Literal["named"]
    title: str
    why: str
    members: tuple[int, ...]
    links: tuple[tuple[int, int], ...] = ()
    comparison: tuple[int, ...] = ()
    suggestion: str | None = None
    label: str = ""

    def is_settled(self, labels: Sequence[str | None], decided: Mapping[int, Decided]) -> bool:
        """Return whether decisions settle the case.

        A question about one label is settled by its answer, or a drop. A dispute is settled once
        people agree, or by a drop. A conflict is settled once all images that
        were kept or labelled have one label, or else all that were not dropped have one.
        Near-duplicates are settled once each linked pair has a decision on one of the two. Other
        cases are settled once each image has a decision.

        Args:
            labels: Label of each row; ``None`` for an image with conflicting labels.
            decided: What is decided by row.
        """
        if self.label:
            of = decided.get(self.members[0])
            answers = [row for row in of.rows if row.label == self.label] if of else []
            return len(answers) == 1 or (of is not None and of.fate == "drop")
        if self.kind == "disputed":
            of = decided.get(self.members[0])
            return of is None or not of.is_suspended or of.fate == "drop"
        if self.kind == "conflicts":
            return self._has_one_label(labels, decided)
        if self.links:
            return all(a in decided or b in decided for a, b in self.links)
        return all(row in decided for row in self.members)

    def _has_one_label(self, labels: Sequence[str | None], decided: Mapping[int, Decided]) -> bool:
        chosen = set()
        undecided = set()
        for row in self.members:
            of = decided.get(row)
            label = (of and of.label) or labels[row]
            if of is not None and of.fate == "drop":
                continue
            if of is None or label is None:
                undecided.add(labels[row])
            else:
                chosen.add(label)
        if chosen:
            return len(chosen) == 1
        return None not in undecided and len(undecided) < 2


def find_cases(
    tables: ReviewTables,
    feedback: Iterable[Case] = (),
    *,
    flips: pd.DataFrame | None = None,
    decided: Mapping[int, Decided] | None = None,
    only: Kind | None = None,
) -> list[Case]:
    """Return the cases by urgency of their kinds.

    Near-duplicates with different labels follow the conflicts. Of the kinds that question a
    label, only the most urgent one shows an image.

    Args:
        tables: Tables of the stages.
        feedback: Cases of the inbox.
        flips: Images that the base predicts correctly, from
            :class:`pixmill.experiments.compare.comparison.Numbers`; default: none.
        decided: What is decided by row; such images do not count towards the maximum per class.
        only: Kind of cases to return; default: all.
    """
    decided = decided or {}
    has_profiles = only not in ("feedback", "disputed", "conflicts", "dropped")
    profiles = class_profiles(tables.manifest) if has_profiles else {}
    feedback = list(feedback)
    disputed = list(_disputed(tables, decided))
    taken = [*feedback, *disputed] if only is None else []
    shown = {row for case in taken for row in case.members}
    select = _selector(tables.labels, decided, shown)
    found: dict[Kind, Iterable[Case]] = {
        "feedback": feedback,
        "disputed": disputed,
        "conflicts": _conflicts(tables),
        "near-duplicates": near_duplicates(tables, tables.labels),
        "outliers": _outliers(profiles, select),
        "dropped": dropped_cases(tables),
    }
    for kind, title, why, images in _label_questions(tables, flips):
        found[kind] = _label_cases(kind, title, why, images, select)

    def urgency(case: Case) -> int:
        across = (
            case.kind == "near-duplicates" and len({tables.labels[row] for row in case.members}) > 1
        )
        return KINDS.index("conflicts" if across else case.kind)

    return sorted(
        chain.from_iterable(found.get(kind, ()) for kind in KINDS if only in (None, kind)),
        key=urgency,
    )


def _selector(
    labels: Sequence[str | None], decided: Mapping[int, Decided], taken: set[int]
) -> _Selector:
    """Return a function that takes the rows of one kind, most urgent first.

    It yields the indices of those to show. Each image is shown under one kind only, and of each
    class ``most``.

    Args:
        labels: Label of each row.
        decided: Its rows do not count towards the maximum per class.
        taken: Rows that are shown already; the function adds to them.
    """

    def select(rows: Sequence[int], most: float = _MAX_PER_CLASS) -> Iterator[int]:
        used: Counter[str | None] = Counter()
        for index, row in enumerate(rows):
            counts = row not in decided
            if row not in taken and (used[labels[row]] < most or not counts):
                taken.add(row)
                used[labels[row]] += counts
                yield index

    return select


def _disputed(tables: ReviewTables, decided: Mapping[int, Decided]) -> Iterator[Case]:
    """Yield images about which people disagree, as after a merge."""
    said = disputes({tables.ids[row]: of for row, of in decided.items()})
    for name, answers in said.items():
        row = tables.row(name)
        if row is not None:
            yield Case("disputed", "People disagree", f"{answers}. What is right?", (row,))


def _conflicts(tables: ReviewTables) -> Iterator[Case]:
    """Yield images with conflicting labels, together with all images of the same pixels."""
    table = tables.manifest[["pixels", "width", "height", "reason"]]
    conflicting = table["reason"].str.startswith("label_conflict").fillna(False).to_numpy(bool)
    same = table[table["pixels"].isin(table.loc[conflicting, "pixels"])]
    groups = same.groupby(["pixels", "width", "height"], sort=False).indices.values()
    for rows in sorted(
        (sorted(same.index[places].tolist()) for places in groups), key=lambda rows: rows[0]
    ):
        if not conflicting[rows].any():
            continue
        names = dict.fromkeys(name for row in rows for name in _labels_of(tables, row))
        yield Case(
            "conflicts",
            "Conflicting labels",
            f"The same image was found as {join_names(list(names))}. Which label is right?",
            tuple(rows),
        )


def near_duplicates(tables: ReviewTables, names: Sequence[str | None]) -> Iterator[Case]:
    """Yield sets of near-duplicates that contain every verified pair once.

    Args:
        tables: Tables of the stages.
        names: Label of each row; pairs with different ones come first. Empty if it says nothing.
    """
    pairs = tables.pairs
    labels = np.array([name or "" for name in names], dtype=object)
    across = labels[pairs[:, 0]] != labels[pairs[:, 1]] if len(pairs) else np.zeros(0, bool)
    order = np.lexsort((-tables.similarity, ~across))
    for edges in covers(pairs.tolist(), order.tolist()):
        members = list(dict.fromkeys(chain.from_iterable(pairs[edges].tolist())))
        is_across = bool(across[edges].any())
        of = join_names(list(dict.fromkeys(str(names[row]) for row in members)))
        yield Case(
            "near-duplicates",
            "Near-duplicates with different labels" if is_across else "Near-duplicates",
            f"{len(members)} images{of and f' of {of}'}. "
            + (
                "Which label is right, and which images do you keep?"
                if is_across
                else "Which do you keep?"
            ),
            tuple(members),
            tuple((a, b) for a, b in pairs[edges].tolist()),
        )


def _label_questions(
    tables: ReviewTables, flips: pd.DataFrame | None
) -> Iterator[tuple[Kind, str, str, pd.DataFrame]]:
    """Yield kind, title, format of the reason, and images, for each kind that questions a label.

    The images are a table, most urgent first, with ``row``, ``label``, ``other`` (the suggested
    label), and the values in the reason. Images of an earlier run that were removed, dropped or
    relabelled since are left out.
    """
    if tables.ranking is not None:
        issues = tables.still_labelled(tables.ranking[tables.ranking["suggested"].notna()])
        answers = issues["row"].map(tables.answers("{} {} %".format))
        said = (" The project's model says: " + answers + ".").fillna("")
        issues = issues.assign(other=issues["suggested"], said=said)
        why = (
            "Labelled '{label}', but a model that was not trained on this image finds '{other}' "
            "more likely.{said}"
        )
        yield "labels", "Doubtful label", why, issues.sort_values("rank")
    if flips is not None:
        lost = tables.still_labelled(flips[~flips["gained"]])
        why = (
            "Labelled '{label}', which the base's model predicted ({base_confidence}); the "
            "model now predicts "
            "'{other}' ({head_confidence})."
        )
        yield (
            "flips",
            "Right at the base, wrong now",
            why,
            lost.assign(other=lost["head_predicted"]),
        )
    if tables.predictions is not None:
        found = _with_second(tables.still_labelled(tables.predictions))
        is_wrong = found["other"] == found["predicted"]
        why = (
            "Labelled '{label}', but the model, which was not trained on this image, says "
            "'{other}' ({p})."
        )
        wrong = found[is_wrong & held_out(found)].sort_values(["p", "id"], ascending=[False, True])
        yield "errors", "Wrong prediction", why, wrong
        why = (
            "Labelled '{label}'. The model finds '{predicted}' ({p}) as likely as "
            "'{second}' "
            "({second_p})."
        )
        near = found[found["margin"] < _MIN_MARGIN].sort_values(["margin", "id"])
        yield "uncertain", "Uncertain prediction", why, near


def _with_second(predictions: pd.DataFrame) -> pd.DataFrame:
    """Add the second most probable class, and probabilities, to a table of predictions.

    Returns:
        Also ``second``; ``p`` and ``second_p``, the probabilities of the predicted class and the
        second; ``margin``, which is ``p - second_p``; ``other``, the most probable class that is
        not the label.
    """
    labels = classes_in(predictions.columns)
    shares = probabilities_of(predictions, labels)
    rows = np.arange(len(predictions))
    first, second = np.argsort(-shares, axis=1, kind="stable")[:, :2].T
    p = shares[rows, first]
    second_p = shares[rows, second]
    targets = class_indices(predictions["label"], labels)
    names = np.asarray(labels, dtype=object)
    return predictions.assign(
        second=names[second],
        p=p,
        second_p=second_p,
        margin=p - second_p,
        other=names[np.where(first == targets, second, first)],
    )


def _label_cases(
    kind: Kind,
    title: str,
    why: str,
    images: pd.DataFrame,
    select: _Selector,
) -> Iterator[Case]:
    """Yield the cases of a kind from :func:`_label_questions`."""
    # All doubtful labels are asked about, so that other pages can count them.
    most = math.inf if kind == "labels" else _MAX_PER_CLASS
    chosen = images.iloc[list(select(images["row"].tolist(), most))]
    for item in chosen.to_dict("records"):
        values = {
            str(name): percent(value, 0) if isinstance(value, float) else value
            for name, value in item.items()
        }
        reason = why.format_map(values)
        yield Case(kind, title, reason, (item["row"],), suggestion=item["other"])


def _outliers(profiles: Mapping[str, ClassProfile], select: _Selector) -> Iterator[Case]:
    found = sorted(
        ((item, profile) for profile in profiles.values() for item in profile.outliers()),
        key=lambda pair: (-pair[0].score, pair[0].row),
    )
    for index in select([item.row for item, _ in found]):
        item, profile = found[index]
        comparison = tuple(row for row in profile.typical(3) if row != item.row)
        yield Case("outliers", "Outlier of its class", item.why, (item.row,), comparison=comparison)


def dropped_cases(tables: ReviewTables) -> Iterator[Case]:
    """Yield images that were dropped by a rule which a decision can override."""
    reasons = tables.manifest["reason"].dropna()
    words = reasons.map(word)
    for name in REASONS:
        if name in UNREADABLE or name in _NOT_OVERRIDABLE:
            continue
        for row in words.index[words == name].tolist():
            why = meaning(reasons[row])
            yield Case(
                "dropped",
                f"Dropped: {name}",
                f"{why[:1].upper()}{why[1:]}. Keep it anyway?",
                (row,),
            )


def covers(pairs: Sequence[Sequence[int]], order: Sequence[int]) -> Iterator[list[int]]:
    """Yield sets of edges, each of at most :data:`MAX_SHOWN` rows, that together are all edges.

    Args:
        pairs: Two rows for each edge.
        order: Indices of the edges by priority. A set starts with the first uncovered edge, and
            grows by edges that touch it.
    """
    touching: dict[int, list[int]] = {}
    for edge in order:
        for row in pairs[edge]:
            touching.setdefault(row, []).append(edge)
    covered: set[int] = set()
    for first in order:
        if first in covered:
            continue
        members = list(pairs[first])
        taken = []
        for row in members:  # The list grows meanwhile.
            for edge in touching[row]:
                fresh = set(pairs[edge]) - set(members)
                if edge not in covered and len(members) + len(fresh) <= MAX_SHOWN:
                    members += fresh
                    taken.append(edge)
                    covered.add(edge)
        yield taken


def _labels_of(tables: ReviewTables, row: int) -> list[str]:
    """Return the label of an image, or all its conflicting labels."""
    label = tables.labels[row]
    return [label] if label is not None else tables.came_as(row)
