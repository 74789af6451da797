"""What a run needs, checked one by one, with the command that fixes what is missing.

- ``machine``: Python, packages and disk
- ``repository``: parameters, images and what DVC keeps
- ``services``: the browser, MLflow and the network
- ``finding``: the result of one check
"""

import importlib.util
from pathlib import Path

from pixmill.doctor.finding import Finding, Status, render
from pixmill.doctor.machine import check_code, check_disk, check_packages, check_python
from pixmill.doctor.repository import check_data, check_dvc, check_params
from pixmill.doctor.services import check_browser, check_compute, check_mlflow, check_network

__all__ = ["Finding", "Status", "examine", "render"]


def examine(root: Path) -> list[Finding]:
    """Check all that a run needs; nothing is changed.

    Args:
        root: The project's folder.

    Returns:
        The findings, in the order in which to fix them.
    """
    machine = [*check_python(), *check_packages(root), *check_code(root), *check_disk(root)]
    project = [*check_params(root), *check_data(root)]
    if not importlib.util.find_spec("dvc"):
        return [*machine, *project]  # Each of the others needs a package that is missing, as was found above.
    services = [*check_compute(), *check_browser(), *check_mlflow(root), *check_network()]
    return [*machine, *project, *check_dvc(root), *services]
