"""The gate: which outcomes stop the pipeline, and what the person is told who must mend it."""

from __future__ import annotations

from collections.abc import Iterable

from pixmill.errors import GateError
from pixmill.validate.expectations import Outcome

__all__ = ["failures", "gate_error", "verdicts_by_name"]

_LINES = 20
"""The most lines that one expectation may fill in a message: a hundred classes need not scroll by."""


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that stop the pipeline: those that are critical and failed."""
    return [outcome for outcome in outcomes if not outcome.success and outcome.check.severity == "critical"]


def verdicts_by_name(outcomes: Iterable[Outcome]) -> dict[str, bool]:
    """Return for each name whether all of its checks hold."""
    verdicts: dict[str, bool] = {}
    for outcome in outcomes:
        verdicts[outcome.check.name] = verdicts.get(outcome.check.name, True) and outcome.success
    return verdicts


def gate_error(outcomes: Iterable[Outcome], *, report: str) -> GateError | None:
    """Return the error that stops the pipeline, or nothing where it may go on.

    Each line names the expectation, what was found (in which class, how many), what was expected and the parameter.

    Args:
        outcomes: What came of the checks.
        report: The page to open, as a path that a person can type.
    """
    failed = failures(outcomes)
    if not failed:
        return None
    names = list(dict.fromkeys(outcome.check.name for outcome in failed))
    parameters = list(dict.fromkeys(name for outcome in failed for name in outcome.check.parameters))
    lines = [line for outcome in failed for line in _lines(outcome)]
    count = f"{len(names)} critical expectation{'s' if len(names) > 1 else ''} failed"
    return GateError(
        "\n".join([f"the gate stopped the pipeline, {count}", *(f"  {line}" for line in lines)]),
        next=f"open {report}; mend the pictures, or edit {', '.join(parameters)} in params.yaml; then: dvc repro",
    )


def _lines(outcome: Outcome) -> list[str]:
    check, found = outcome.check, outcome.found
    lines = [
        f"{check.name}: {text}; expected {check.wanted} ({', '.join(check.parameters)})" for text in found[:_LINES]
    ]
    return lines if len(found) <= _LINES else [*lines, f"{check.name}: {len(found) - _LINES:,} more like these"]
