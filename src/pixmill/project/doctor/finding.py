"""The checks of what a run needs, and what each finds.

To add one, write a function with ``@check`` in the module of its kind: they run in the order of the modules below
:mod:`pixmill.project.doctor`, and of their places there.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import install_command


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


Run = Callable[[Path], Iterator[Finding]]

CHECKS: list[Run] = []
"""All checks, in the order in which to fix what they find."""


def check(name: str) -> Callable[[Run], Run]:
    """Return what registers a check; an error that the user can fix is a finding of it.

    Args:
        name: What an error's finding is called.
    """

    def register(find: Run) -> Run:
        @functools.wraps(find)
        def run(root: Path) -> Iterator[Finding]:
            try:
                yield from find(root)
            except PixmillError as error:
                yield Finding(name, Status.BAD, error.message, next=error.next)
            except ModuleNotFoundError as error:
                yield Finding(name, Status.BAD, f"{error}", next=install_command("pipeline"))

        CHECKS.append(run)
        return run

    return register


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
