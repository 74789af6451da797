"""What the verbs share: a parser that guesses, the project's folder, and lines for standard error."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.words import did_you_mean

N = TypeVar("N", int, float)


class Parser(argparse.ArgumentParser):
    """An argument parser that guesses what a mistyped verb meant."""

    verbs: Sequence[str] = ()
    typed: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Exit with the message and the command that helps."""
        typed = next((word for word in self.typed if not word.startswith("-")), "")
        if "invalid choice" in message and self.verbs and typed:
            hint = did_you_mean(typed, self.verbs, show=repr)
            message = f"no such command: '{typed}'{hint}\nThe commands are: {', '.join(self.verbs)}."
        prog = f"{self.prog} {typed}" if typed in self.verbs else self.prog
        self.exit(2, f"{prog}: {message}\nNext: {prog} --help\n")


def find_project() -> Path | None:
    """Return the project's folder: this one or the nearest above it, as for Git and DVC; ``None`` if there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").exists() or (folder / "params.yaml").exists():
            return folder
    return None


def project_root() -> Path:
    """Return the project's folder, as :func:`find_project`.

    Raises:
        PixmillError: There is none.
    """
    folder = find_project()
    if folder is None:
        raise PixmillError(
            f"{Path.cwd()} is not in a project: there is no dvc.yaml in it or above it",
            next="cd to the project's folder, then repeat the command",
        )
    return folder


def project_workspace() -> Workspace:
    """Return the workspace of the project, whose outputs and scratch lie in the same folder.

    Raises:
        PixmillError: There is no project.
    """
    root = project_root()
    return Workspace(root, root)


def number(expected: str, kind: type[N], least: float, most: float = math.inf) -> Callable[[str], N]:
    """Return what takes a number within bounds, for ``type=`` of an option.

    Args:
        expected: What is expected, in words.
        kind: ``int`` or ``float``.
        least: The lower bound.
        most: The upper bound; default: none.
    """

    def parse(text: str) -> N:
        try:
            if "_" not in text and least <= (value := kind(text)) <= most:  # Python takes 1_000 for a number.
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, received '{text}'")

    return parse


port = number("a port from 0 to 65535", int, 0, 65535)


def inbox(text: str) -> Path:
    """Return a folder, for ``type=`` of an option."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"expected a folder (copy what is elsewhere into one), received '{text}'")
    if ".pixmill" in Path(text).resolve().parts:
        raise argparse.ArgumentTypeError(f"{text} is in .pixmill/, which may be deleted: name another folder")
    return Path(text)
