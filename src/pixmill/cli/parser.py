"""Helpers of the verbs: parser, project folder and option types."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.names import split_option
from pixmill.core.words import did_you_mean, printable_lines
from pixmill.project.api import find_project

if TYPE_CHECKING:
    from pixmill.dataset.detection import Options
    from pixmill.dataset.log_writer import PredictionLog
    from pixmill.dataset.several import Unlisted

N = TypeVar("N", int, float)


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests corrections of mistyped verbs."""

    verbs: Sequence[str] = ()
    typed: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Exit with the message and the help command."""
        typed = next((word for word in self.typed if not word.startswith("-")), "")
        if "invalid choice" in message and self.verbs and typed:
            hint = did_you_mean(typed, self.verbs, show=repr)
            message = (
                f"no such command: '{typed}'{hint}\nThe commands are: {', '.join(self.verbs)}."
            )
        prog = f"{self.prog} {typed}" if typed in self.verbs else self.prog
        self.exit(2, f"{prog}: {message}\nNext: {prog} --help\n")


def project_root() -> Path:
    """Return the project folder: the current one or its nearest parent.

    Raises:
        PixmillError: There is none.
    """
    if (folder := find_project(Path.cwd())) is None:
        problem = f"{Path.cwd()} is not in a project: neither it nor a parent has a dvc.yaml"
        raise PixmillError(problem, next="cd to the project folder, then repeat the command")
    return folder


def project_workspace() -> Workspace:
    """Return the workspace of the project, with outputs and scratch in its folder.

    Raises:
        PixmillError: There is no project.
    """
    root = project_root()
    return Workspace(root, root)


def number(
    expected: str, kind: type[N], least: float, most: float = math.inf
) -> Callable[[str], N]:
    """Return an option type for numbers within bounds.

    Args:
        expected: Description of valid values, for the error message.
        kind: ``int`` or ``float``.
        least: Lower bound.
        most: Upper bound; default: none.
    """

    def parse(text: str) -> N:
        try:
            if (
                "_" not in text and least <= (value := kind(text)) <= most
            ):  # Python also accepts 1_000.
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, received '{text}'")

    return parse


port = number("a port from 0 to 65535", int, 0, 65535)


def inbox(text: str) -> Path:
    """Parse a local folder or file outside of ``.pixmill/``."""
    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"expected a local folder, received '{text}'; copy its content into one"
        )
    if ".pixmill" in Path(text).resolve().parts:
        raise argparse.ArgumentTypeError(
            f"{text} is in .pixmill/, which may be deleted: choose another folder"
        )
    return Path(text)


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the project's page."""
    text = "port on 127.0.0.1; 0 for a free one (default: 0)"
    parser.add_argument("--port", type=port, default=0, help=text)
    text = "do not open the browser"
    parser.add_argument("--no-open", dest="open", action="store_false", help=text)


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a log of predictions."""
    text = (
        "folder that keeps a row for each prediction: answer, confidence and measures of the "
        "image, for pixmill watch"
    )
    parser.add_argument("--log", type=inbox, metavar="DIR", help=text)
    parser.add_argument("--log-images", action="store_true", help="with --log: keep images, too")
    share = number("a share above 0, at most 1", float, 1e-9, 1)
    text = "with --log: share of the images that are logged, such as 0.1 (default: 1)"
    parser.add_argument("--log-sample", type=share, metavar="SHARE", help=text)
    size = number("a number of gigabytes above 0", float, 1e-9)
    text = "with --log: maximum size; the oldest rows and images are deleted (default: 1)"
    parser.add_argument("--log-size", type=size, metavar="GB", help=text)


def open_log(arguments: argparse.Namespace, root: Path | None) -> "PredictionLog | None":
    """Open the log that the options name, and note it in the project; ``None`` without one.

    Args:
        arguments: Options of :func:`add_log_options`, and maybe ``shadow``.
        root: Project folder; ``None`` outside of a project.

    Raises:
        PixmillError: An option needs a log, or it cannot be used.
    """
    if arguments.log is None:
        for name in ("log_images", "log_sample", "log_size", "shadow"):
            if getattr(arguments, name, None):
                raise PixmillError(f"--{name.replace('_', '-')} needs a log: --log DIR")
        return None
    from pixmill.dataset.log_writer import PredictionLog
    from pixmill.dataset.prediction_log import record_log

    log = PredictionLog(
        arguments.log,
        share=arguments.log_sample or 1,
        images=arguments.log_images,
        max_bytes=int((arguments.log_size or 1) * 1e9),
    )
    if root is not None and os.access(root, os.W_OK):
        record_log(root, arguments.log)
    return log


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options on how to read a data set of other tools."""
    columns = "columns of a table: image=file,label=breed"
    pattern = r"parentheses match the label: '([a-z]+)\.\d+'"
    parser.add_argument("--columns", type=_columns, default={}, metavar="ROLE=NAME,…", help=columns)
    parser.add_argument("--pattern", metavar="REGEX", help=pattern)
    unlisted = "with several labels an image: what a label is that its list does not have"
    parser.add_argument("--unlisted", choices=("no", "unknown"), help=unlisted)
    votes = "if rows of a table, or people, give an image different labels: that of more than half"
    parser.add_argument("--votes", choices=("majority",), help=votes)
    parser.add_argument(
        "--ignore-splits", action="store_true", help="draw train, val and test from all images"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list images and labels, copy nothing"
    )


def reading_options(arguments: argparse.Namespace) -> "Options":
    """Return the options declared by :func:`add_reading_options`, and ``--classes``."""
    from pixmill.dataset.detection import Options

    return Options(
        split_option(arguments.classes or ""),
        arguments.columns,
        arguments.pattern,
        arguments.ignore_splits,
        unlisted=arguments.unlisted,
        ask=_ask_unlisted if sys.stdin.isatty() else None,
        votes=arguments.votes is not None,
    )


def _ask_unlisted(question: str) -> "Unlisted":
    """Ask on the terminal until there is an answer."""
    while True:
        match input(f"{printable_lines(question)} [no/unknown] ").strip().lower():
            case "no":
                return "no"
            case "unknown":
                return "unknown"


def _columns(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in split_option(text)]
    if not all(role.strip() and name.strip() for role, _, name in pairs):
        raise argparse.ArgumentTypeError(
            f"expected pairs such as image=file,label=breed, received '{text}'"
        )
    return {role.strip(): name.strip() for role, _, name in pairs}
