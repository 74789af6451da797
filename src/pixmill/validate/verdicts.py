"""Verdicts: which pictures are kept, and for what reason the others are dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pixmill.params import ValidateParams
from pixmill.validate.decisions import Decision
from pixmill.validate.measures import Failure, Measures
from pixmill.validate.reasons import UNREADABLE, reason

__all__ = ["Case", "Verdicts", "judge"]


@dataclass(frozen=True)
class Case:
    """Hold what a verdict on one picture depends on.

    Args:
        id: Its id.
        label: Its label; ``None`` where the same bytes came under several.
        found: Its measures, or why it has none.
    """

    id: str
    label: str | None
    found: Measures | Failure


@dataclass(frozen=True)
class Verdicts:
    """Hold the outcome, by id.

    Args:
        reasons: Why each dropped picture was dropped; who is not in it is kept.
        labels: The label of each picture, after people's decisions.
        powerless: Decisions that could not be followed, each with why.
    """

    reasons: dict[str, str]
    labels: dict[str, str | None]
    powerless: list[tuple[Decision, str]] = field(default_factory=list)


def judge(
    cases: Sequence[Case], decisions: Mapping[str, Decision], *, classes: Collection[str], params: ValidateParams
) -> Verdicts:
    """Return the verdict on every picture.

    The first rule that applies gives the reason: a person's ``drop``; no pixels; too small; a format that is not
    taken; two labels for the same bytes; a label that is not declared; the same pixels as another picture. Of pictures
    with the same pixels and label the smallest id is kept; with different labels all are dropped. A person's ``keep``
    or ``relabel`` goes before every rule but two: what has no pixels, or no declared label, cannot be trained on.

    Args:
        cases: The pictures, sorted by id.
        decisions: People's decisions by id.
        classes: The declared labels.
        params: Limits of size and format.
    """
    verdicts = Verdicts({}, {})
    alike: dict[tuple[str, int, int], list[Case]] = {}
    for case in cases:
        decision = decisions.get(case.id)
        if decision is not None and decision.verb == "relabel":
            case = Case(case.id, decision.label, case.found)
        verdicts.labels[case.id] = case.label
        name = _reason_by_itself(case, decision, classes, params)
        if name is not None:
            verdicts.reasons[case.id] = reason(name)
            if decision is not None and decision.verb != "drop":
                verdicts.powerless.append((decision, _lack(name, case.label)))
        if isinstance(case.found, Measures) and name in (None, "label_conflict"):
            key = (case.found.pixels, case.found.width, case.found.height)
            alike.setdefault(key, []).append(case)
    for group in alike.values():
        if len(group) > 1:
            verdicts.reasons.update(_reasons_among(group, decisions))
    return verdicts


def _reason_by_itself(
    case: Case, decision: Decision | None, classes: Collection[str], params: ValidateParams
) -> str | None:
    """Return why a picture is dropped, whatever other pictures there are."""
    if decision is not None and decision.verb == "drop":
        return "review"
    if isinstance(case.found, Failure):
        return case.found.reason
    if decision is None and (
        case.found.width < params.image_size.min_width or case.found.height < params.image_size.min_height
    ):
        return "too_small"
    if decision is None and case.found.format not in params.formats.allowed:
        return "format_not_allowed"
    if case.label is None:
        return "label_conflict"
    if case.label not in classes:
        return "label_undeclared"
    return None


def _lack(name: str, label: str | None) -> str:
    if name in UNREADABLE:
        return f"the picture cannot be used: {UNREADABLE[name]}"
    if label is None:
        return "the picture came under several labels: 'relabel' says which one holds"
    return f"its label '{label}' is not among the classes: 'relabel' gives it one"


def _reasons_among(members: Sequence[Case], decisions: Mapping[str, Decision]) -> dict[str, str]:
    """Return why pictures with the same pixels are dropped; people's choice goes first, then the smallest id."""
    chosen = [case for case in members if case.id in decisions and case.label is not None]
    standing = chosen or members
    reasons = {}
    for case in members:
        if case in chosen:
            continue
        twin = next((other for other in standing if other.label == case.label), case)
        rival = next((other for other in standing if other.label != case.label), None)
        if rival is not None and (twin is case or not chosen):
            reasons[case.id] = reason("label_conflict", rival.id)
        elif twin is not case and case.label is not None:
            reasons[case.id] = reason("duplicate_pixels", twin.id)
    return reasons
