"""Look at all that a run needs, and say it in lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pixmill.doctor.finding import Finding
from pixmill.doctor.machine import look_at_disk, look_at_packages, look_at_python
from pixmill.doctor.project import look_at_data, look_at_dvc, look_at_params
from pixmill.doctor.services import look_at_browser, look_at_mlflow, look_at_network

__all__ = ["examine", "render"]


def examine(root: Path, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at all that a run needs; nothing is changed, and every wait has a limit.

    Args:
        root: The project's folder.
        environ: The environment of the run.

    Returns:
        The findings, in the order in which a person would mend them.
    """
    return list(_findings(root, environ))


def render(findings: Sequence[Finding]) -> str:
    """Return findings as plain text: a line each, and below it the command that mends it."""
    state = max((len(finding.state) for finding in findings), default=0)
    name = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:{state}}  {finding.name:{name}}  {finding.words}")
        if finding.next:
            lines.append(f"{'':{state + name + 4}}Next: {finding.next}")
    return "\n".join(lines)


def _findings(root: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from look_at_python(environ)
    yield from look_at_packages(root)
    yield from look_at_params(root)
    yield from look_at_data(root)
    yield from look_at_dvc(root)
    yield from look_at_disk(root)
    yield from look_at_browser(environ)
    yield from look_at_mlflow(root, environ)
    yield from look_at_network()
