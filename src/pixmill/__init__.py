"""Mill images from the web into a reviewed image classifier."""

from importlib import import_module
from typing import Any

from pixmill.core.process.arithmetic import fix_arithmetic

__version__ = "0.1.0.dev0"

__all__ = ["PixmillError", "Project", "__version__", "load_project"]

_MODULES = {"PixmillError": "core.errors", "Project": "project.api", "load_project": "project.api"}
"""The modules of the public names, imported when a name is used."""

fix_arithmetic()  # Before anything loads NumPy.


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"pixmill.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'pixmill' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
