"""The gate: which outcomes stop the pipeline, and what the person is told who must mend it."""

from __future__ import annotations

from collections.abc import Iterable

from pixmill.errors import GateError
from pixmill.expectations.suite import Outcome

__all__ = ["failures", "gate_error", "verdicts_by_name", "warnings"]

_LINES = 20
"""The most lines that one expectation may fill in a message: a hundred classes need not scroll by."""

_LINES_OF_WARNINGS = 3
"""The same of what stops nothing; the report has the rest."""


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that stop the pipeline: those that are critical and failed."""
    return [outcome for outcome in outcomes if not outcome.success and outcome.check.severity == "critical"]


def warnings(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """Return what failed and stops nothing, by name: in lines as those of the gate, behind the severity."""
    told: dict[str, list[str]] = {}
    for outcome in outcomes:
        if not outcome.success and outcome.check.severity != "critical":
            lines = [f"{outcome.check.severity}: {line}" for line in _lines(outcome, most=_LINES_OF_WARNINGS)]
            told.setdefault(outcome.check.name, []).extend(lines)
    return told


def verdicts_by_name(outcomes: Iterable[Outcome]) -> dict[str, bool]:
    """Return for each name whether all of its checks hold."""
    verdicts: dict[str, bool] = {}
    for outcome in outcomes:
        verdicts[outcome.check.name] = verdicts.get(outcome.check.name, True) and outcome.success
    return verdicts


def gate_error(outcomes: Iterable[Outcome], *, report: str, mend: str = "mend the pictures") -> GateError | None:
    """Return the error that stops the pipeline, or nothing where it may go on.

    Each line names the expectation, what was found (in which class, how many), what was expected and the parameter.

    Args:
        outcomes: What came of the checks.
        report: The page to open, as a path that a person can type.
        mend: What else than editing params may help, as a clause.
    """
    failed = failures(outcomes)
    if not failed:
        return None
    names = list(dict.fromkeys(outcome.check.name for outcome in failed))
    parameters = list(dict.fromkeys(name for outcome in failed for name in outcome.check.parameters))
    advice = list(dict.fromkeys(outcome.advice for outcome in failed if outcome.advice is not None))
    lines = [line for outcome in failed for line in _lines(outcome, most=_LINES)]
    count = f"{len(names)} critical expectation{'s' if len(names) > 1 else ''} failed"
    edit = f"{mend}, or edit {', '.join(parameters)} in params.yaml" if parameters else mend
    return GateError(
        "\n".join([f"the gate stopped the pipeline, {count}", *(f"  {line}" for line in lines)]),
        next="; ".join([*advice, f"open {report}", edit, "then: dvc repro"]),
    )


def _lines(outcome: Outcome, *, most: int) -> list[str]:
    check, found = outcome.check, outcome.found
    parameters = f" ({', '.join(check.parameters)})" if check.parameters else ""
    lines = [f"{check.name}: {text}; expected {check.wanted}{parameters}" for text in found[:most]]
    return lines if len(found) <= most else [*lines, f"{check.name}: {len(found) - most:,} more like these"]
