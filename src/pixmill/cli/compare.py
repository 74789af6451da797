"""Compare two revisions: differences and their significance.

BASE and HEAD are Git commits, branches or tags, DVC experiments, MLflow runs
(runs:/ID), models (models:/NAME@ALIAS), or `workspace`. By default, compares the
workspace with the point where its branch left main. Nothing is checked out. Writes
reports/compare.html, and compare.md for a pull request.

Exit codes: 0; 1 with --gate if the gate fails; 2 on errors, and if a file of
HEAD is malformed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import number, project_root
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import storage_errors
from pixmill.core.process.progress import announce
from pixmill.project.api import Project

if TYPE_CHECKING:
    from pixmill.experiments.compare.comparison import Comparison

EXAMPLES = (
    ("pixmill compare main", "the workspace against main"),
    ("pixmill compare v1.0 my-experiment", "a tag and a DVC experiment"),
    ("pixmill compare models:/garments@champion", "a registered model"),
    ("pixmill compare main HEAD --gate", "exit 1 if a limit is violated"),
    ("pixmill compare --json | jq .verdict", ""),
    ("pixmill compare --runs", "rank all runs and experiments"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "base", nargs="?", metavar="BASE", help="revision to compare with (default: see above)"
    )
    parser.add_argument(
        "head", nargs="?", metavar="HEAD", help="revision to judge (default: the workspace)"
    )
    parser.add_argument(
        "--gate", action="store_true", help="exit 1 if the gate fails (not if it is undecided)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    runs = parser.add_argument_group("all runs and experiments, instead of two revisions")
    runs.add_argument(
        "--runs", action="store_true", help="rank them on validation: reports/runs.html"
    )
    whole = number("a whole number of at least 1", int, 1)
    limit = "only the newest N of each (default: 500)"
    runs.add_argument("--limit", type=whole, metavar="N", help=limit)
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Compare, print the result, write the reports, and check the gate."""
    _check(arguments)
    comparison = None
    try:
        with storage_errors(then="the same command"):
            project = Project(project_root())
            if arguments.open or not (arguments.runs and arguments.json):
                (project.root / "reports").mkdir(exist_ok=True)
            if arguments.runs:
                text, page = _runs(project, arguments)
            else:
                text, page, comparison = _compare(project, arguments)
    except PixmillError as error:
        error.exit_code = 2  # 1 means that the gate fails
        raise
    if arguments.open:
        import webbrowser

        webbrowser.open(page.as_uri())
    print(text, flush=True)
    if comparison is not None:
        _judge(comparison, check_gate=arguments.gate)


def _judge(comparison: Comparison, *, check_gate: bool) -> None:
    """Exit 1 if the gate fails, 2 if files of HEAD are malformed."""
    from pixmill.core.words import printable

    failed = [rule for rule in comparison.gate.rules if check_gate and rule.result == "fail"]
    for rule in failed:
        announce(f"gate: {rule.name}: {rule.sentence}")
    if failed:
        sys.exit(1)
    faults = comparison.head.faults
    for sentence in faults:
        announce(f"malformed: {printable(sentence)}")
    if faults:
        sys.exit(2)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse conflicting options."""
    if arguments.runs and (arguments.base or arguments.gate):
        arguments.refuse("--runs ranks all runs; omit BASE and --gate")
    if arguments.limit and not arguments.runs:
        arguments.refuse("--limit needs --runs")


def _compare(project: Project, arguments: argparse.Namespace) -> tuple[str, Path, Comparison]:
    from pixmill.experiments.compare.page import write_reports
    from pixmill.experiments.compare.view import comparison_json, comparison_text

    announce("Comparing: reading both sides, resampling images …")
    comparison = project.compare(arguments.base, arguments.head)
    page, *others = write_reports(comparison, project.root / "reports")
    if arguments.json:
        return comparison_json(comparison), page, comparison
    names = ", ".join(path.relative_to(project.root).as_posix() for path in (page, *others))
    return f"{comparison_text(comparison)}\n\nWritten: {names}", page, comparison


def _runs(project: Project, arguments: argparse.Namespace) -> tuple[str, Path]:
    from pixmill.core.files.writing import write_text
    from pixmill.experiments.compare.ranking import compare_runs
    from pixmill.experiments.compare.ranking_report import (
        ranking_json,
        ranking_text,
        render_ranking,
    )

    page = project.root / "reports" / "runs.html"
    announce("Reading runs and experiments …")
    ranking = compare_runs(project.workspace, project.params, limit=arguments.limit or 500)
    # Scripts that read JSON need no page.
    if arguments.open or not arguments.json:
        write_text(page, render_ranking(ranking, project.root))
    if arguments.json:
        return ranking_json(ranking), page
    return f"{ranking_text(ranking)}\n\nWritten: reports/runs.html", page
