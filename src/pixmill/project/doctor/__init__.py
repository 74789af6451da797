"""What a run needs, checked one by one, with the command that fixes what is missing.

- ``machine``: Python, Git, packages and disk
- ``repository``: parameters, images and what DVC keeps
- ``services``: the browser, a cluster and MLflow
- ``finding``: what registers a check, and its result
"""

from pathlib import Path

from pixmill.project.doctor import machine, repository, services  # noqa: F401 (which register their checks)
from pixmill.project.doctor.finding import CHECKS, Finding, Status, render

__all__ = ["Finding", "Status", "examine", "render"]


def examine(root: Path) -> list[Finding]:
    """Check all that a run needs; nothing is changed.

    Args:
        root: The project's folder.

    Returns:
        The findings, in the order in which to fix them.
    """
    return [finding for check in CHECKS for finding in check(root)]
