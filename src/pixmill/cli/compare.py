"""Compare two revisions: whether the change matters, and what is different.

BASE and HEAD are Git commits, branches or tags, DVC experiments, MLflow runs
(runs:/ID), models (models:/NAME@ALIAS), or `workspace`. Default: the workspace
against where its branch left main. Nothing is checked out. Writes
reports/compare.html, compare.md (for a pull request) and compare.png.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import project_workspace
from pixmill.core.errors import PixmillError
from pixmill.core.files import storage_errors
from pixmill.core.progress import announce

if TYPE_CHECKING:
    from pixmill.compare.comparison import Comparison, Gate
    from pixmill.core.params import Params
    from pixmill.core.workspace import Workspace

EXAMPLES = (
    ("pixmill compare main", "what does the change do, and does it matter?"),
    ("pixmill compare main --open", "what your branch changes, as a page"),
    ("pixmill compare", "the workspace against main, or the last commit"),
    ("pixmill compare v1.0 my-experiment", "a tag and a DVC experiment"),
    ("pixmill compare models:/garments@champion", "a model in MLflow against the workspace"),
    ("pixmill compare main HEAD --gate", "exit 1 if a limit of `review` is violated"),
    ("pixmill compare --json | jq .verdict", ""),
    ("pixmill compare --runs", "all runs and experiments, best first"),
)
NOTES = """\
Exit codes: 0; 1 with --gate if the gate fails; 2 on errors, and if a file of
HEAD is malformed.
"""

_PATIENCE = 2.0
"""Seconds without an answer before it is said what is being done."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("base", nargs="?", metavar="BASE", help="what is compared with (default: see above)")
    parser.add_argument("head", nargs="?", metavar="HEAD", help="what is reviewed (default: the workspace)")
    parser.add_argument("--gate", action="store_true", help="exit 1 if the gate fails (not if it is undecided)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--runs", action="store_true", help="compare all runs and experiments: reports/runs.html")
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, write the files, and judge."""
    from pixmill.core.params import load_params

    if arguments.runs and (arguments.base or arguments.gate or arguments.json):
        arguments.refuse("--runs compares all runs: it takes no BASE, --gate or --json")
    gate: Gate | None = None
    faults: tuple[str, ...] = ()
    try:
        with storage_errors(then="the same command"):
            workspace = project_workspace()
            params = load_params(workspace.root)
            _make(workspace.root / "reports")
            if arguments.runs:
                text, page = _runs(workspace, params)
            else:
                text, page, gate, faults = _compare(workspace, params, arguments)
    except PixmillError as error:
        error.exit_code = 2  # 1 is the gate's.
        raise
    if arguments.open:
        import webbrowser

        webbrowser.open(page.as_uri())
    failed = [rule for rule in gate.rules if rule.result == "fail"] if gate and arguments.gate else []
    try:
        print(text, flush=True)
    except BrokenPipeError:
        if not failed and not faults:
            raise
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if failed:
        for rule in failed:
            announce(f"gate: {rule.name}: {rule.sentence}")
        sys.exit(1)
    if faults:
        from pixmill.core.words import printable

        for sentence in faults:
            announce(f"malformed: {printable(sentence)}")
        sys.exit(2)


def _make(folder: Path) -> None:
    """Make the folder of the files, before anything takes time."""
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise PixmillError(
            f"{folder} cannot be used: it is not a folder", next="move it away, then: the same command"
        ) from None


def _compare(
    workspace: Workspace, params: Params, arguments: argparse.Namespace
) -> tuple[str, Path, Gate, tuple[str, ...]]:
    from pixmill.compare.comparing import compare
    from pixmill.compare.json_document import comparison_json
    from pixmill.compare.text import comparison_text

    with _patience("Comparing: reading both sides, resampling the test images …"):
        comparison = compare(workspace, params, arguments.base, arguments.head)
        page, *others = _write(comparison, workspace.root / "reports")
    if arguments.json:
        return comparison_json(comparison), page, comparison.gate, comparison.head.faults()
    names = ", ".join(path.relative_to(workspace.root).as_posix() for path in (page, *others))
    return f"{comparison_text(comparison)}\n\nWritten: {names}", page, comparison.gate, comparison.head.faults()


def _write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the page, the text for a pull request and the contact sheet; an older sheet is removed if there is none."""
    from pixmill.compare.markdown import comparison_markdown
    from pixmill.compare.page import render_page
    from pixmill.compare.sheet import choose, contact_sheet
    from pixmill.core.files import write_bytes, write_text

    page, text, picture = (folder / f"compare.{suffix}" for suffix in ("html", "md", "png"))
    chosen = choose(comparison)
    sheet = contact_sheet(chosen)
    write_text(text, comparison_markdown(comparison, sheet=sheet is not None))
    write_text(page, render_page(comparison, chosen))
    if sheet is None:
        picture.unlink(missing_ok=True)
        return [page, text]
    write_bytes(picture, sheet)
    return [page, text, picture]


def _runs(workspace: Workspace, params: Params) -> tuple[str, Path]:
    from pixmill.compare.ranking import compare_runs, render_runs, runs_text
    from pixmill.core.files import write_text

    page = workspace.root / "reports" / "runs.html"
    with _patience("Reading runs and experiments …"):
        runs = compare_runs(workspace, params)
        write_text(page, render_runs(runs))
    return f"{runs_text(runs)}\n\nWritten: reports/runs.html", page


@contextlib.contextmanager
def _patience(text: str) -> Iterator[None]:
    """Say what is being done where it takes long."""
    timer = threading.Timer(_PATIENCE, announce, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
