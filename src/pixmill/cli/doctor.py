"""Check the project and this machine: params, files, packages.

Prints a command to fix each problem; exits 1 if a run would fail. With --fix, branches are
merged with the images of both sides, also in a merge under way; a browser is installed if a
search needs one; MLflow follows a project that was moved, and receives pending runs.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from pixmill.cli.parser import project_root
from pixmill.core.errors import PixmillError
from pixmill.core.words import did_you_mean

EXAMPLES = (
    ("pixmill doctor --quick", "check params.yaml and local files only, as CI and pre-commit do"),
    ("pixmill doctor browser", "show the browser and driver for scraping"),
    ("pixmill doctor --fix", "set up this clone, and send pending runs to MLflow"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="only these checks or fixes")
    parser.add_argument(
        "--quick", action="store_true", help="check the project, not the machine; show problems"
    )
    parser.add_argument("--fix", action="store_true", help="fix what a command can fix")


def run(arguments: argparse.Namespace) -> None:
    """Print the findings; exit 1 if a run would fail, or something could not be fixed."""
    from pixmill.project import doctor

    # The browser is the machine's: it can be installed before there is a project.
    root = Path.cwd() if arguments.checks == ["browser"] else project_root()
    if arguments.fix:
        findings = doctor.fix(root, _choose(arguments.checks, doctor.FIXES))
    elif arguments.quick:
        findings = doctor.examine(root, doctor.QUICK)
        findings = [each for each in findings if each.status != "ok" or each.name == "params"]
    else:
        findings = doctor.examine(root, _choose(arguments.checks, doctor.CHECKS))
    print(doctor.render(findings))
    if any(finding.status == "bad" for finding in findings):
        sys.exit(1)


def _choose(typed: list[str], names: Iterable[str]) -> list[str] | None:
    """Return the names that were typed in any case; ``None`` if none was."""
    known = {name.lower(): name for name in names}
    for word in typed:
        if word.lower() not in known:
            hint = did_you_mean(word, known, show=repr)
            problem = f"no such check: '{word}'{hint}"
            raise PixmillError(problem, next=f"one of: {', '.join(known)}")
    return [known[word.lower()] for word in typed] or None
