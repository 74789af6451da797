"""The result of one check of what a run needs, and its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "State", "render"]


class State(StrEnum):
    """Say how grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    """A run may do without it, or with less."""
    BAD = "bad"
    """A run will fail."""


@dataclass(frozen=True)
class Finding:
    """Hold the result of one check.

    Args:
        name: What was checked.
        state: How grave it is.
        message: What the case is.
        next: The command or edit that fixes it; ``None`` where nothing is missing.
    """

    name: str
    state: State
    message: str
    next: str | None = None


def render(findings: Sequence[Finding]) -> str:
    """Return findings as plain text: a line each, and below it the command that fixes it."""
    state = max((len(finding.state) for finding in findings), default=0)
    name = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:{state}}  {finding.name:{name}}  {finding.message}")
        if finding.next:
            lines.append(f"{'':{state + name + 4}}Next: {finding.next}")
    return "\n".join(lines)
