"""The result of one check of what a run needs, and its lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    """A run may do without it, or with less."""
    BAD = "bad"
    """A run will fail."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        name: What was checked.
        status: How grave it is.
        message: What the case is.
        next: The command or edit that fixes it; ``None`` where nothing is missing.
    """

    name: str
    status: Status
    message: str
    next: str | None = None


def render(findings: Sequence[Finding]) -> str:
    """Return findings as plain text: a line each, and below it the command that fixes it."""
    status = max((len(finding.status) for finding in findings), default=0)
    name = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:{status}}  {finding.name:{name}}  {finding.message}")
        if finding.next:
            lines.append(f"{'':{status + name + 4}}Next: {finding.next}")
    return "\n".join(lines)
