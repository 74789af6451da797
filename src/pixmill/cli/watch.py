"""Watch a model at work by its log.

Compares the images in a log of `pixmill serve --log` or `predict --log` with the model's
own test images: what came in, whether it differs, and whether the answers still hold.
Two tests decide, of the images and of people's labels; each gives a false alarm in at
most one of 20 projects, however often you look. Writes reports/watch.html. Exits 1 in
an alarm, so that a cron job can mail its line.

To ask people, it copies images of the log to the unlabelled images of the project, and
opens the grid with them; the next look counts the answers.
"""

import argparse
import json
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from pixmill.cli.parser import number, project_workspace
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import storage_errors
from pixmill.core.process.progress import announce
from pixmill.core.words import count

if TYPE_CHECKING:
    from pixmill.core.files.workspace import Workspace
    from pixmill.serve.watch.record import Sample
    from pixmill.serve.watch.watching import Watch

EXTRAS = ("serve", "registry")

EXAMPLES = (
    ("pixmill watch log", "compare what came in with the test images"),
    ("pixmill watch log --label 60", "label 60 random images: does the accuracy hold?"),
    ("pixmill watch log --doubtful 200", "label what the next training needs most"),
    ("pixmill watch log --accept", "new images differ, but it is fine: compare with them now"),
)

_SAMPLES: tuple[tuple[str, "Sample", str], ...] = (
    ("label", "random", "random images, to see if the accuracy holds"),
    ("disagreements", "disagreement", "images on which the second model answers otherwise"),
    ("doubtful", "doubtful", "images for the next training: unsure ones, and the strangest"),
)
"""Options that ask people, of which images, and what they are in words."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("log", metavar="DIR", type=Path, help="folder of the log")
    parser.add_argument(
        "--model",
        help="the model to watch, as for predict (default: the one in production, else the one "
        "that was trained last)",
    )
    some = number("a whole number above 0", int, 1)
    parser.add_argument(
        "--accept",
        action="store_true",
        help="take the images since the alarm began as usual, and compare later ones with them",
    )
    asks = parser.add_mutually_exclusive_group()
    for name, _, text in _SAMPLES:
        asks.add_argument(
            f"--{name}", type=some, nargs="?", const=60, metavar="N", help=f"label N {text} (60)"
        )
    parser.add_argument("--no-open", dest="open", action="store_false", help="do not open the grid")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Write the page, and print the outcome; exit with 1 in an alarm."""
    try:
        with storage_errors(then="the same command"):
            is_alarm = _look(arguments)
    except PixmillError as error:
        error.exit_code = 2  # 1 means an alarm
        raise
    if is_alarm:
        sys.exit(1)


def _look(arguments: argparse.Namespace) -> bool:
    """Look at the log, ask people if so wanted, and return whether there is an alarm to tell."""
    from pixmill.dataset.prediction_log import hold_watched, record_log
    from pixmill.serve.predict.model import find_model
    from pixmill.serve.watch.asking import ask
    from pixmill.serve.watch.outcome import document, save_outcome
    from pixmill.serve.watch.page import write_page
    from pixmill.serve.watch.watching import accept, watch

    workspace = project_workspace()
    root = workspace.root
    model = find_model(arguments.model, root)
    asked = [each for each in _SAMPLES if getattr(arguments, each[0])]
    with hold_watched(arguments.log):
        record_log(root, arguments.log)
        found = watch(root, arguments.log, model)
        if arguments.accept:
            found = accept(found)
        for option, sample, _ in asked:
            found = ask(root, found, sample, getattr(arguments, option))
        outcome = document(found)
        save_outcome(root, outcome)
        write_page(root, found, outcome)
    if arguments.json:
        print(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        print(outcome["sentence"])
        if outcome["command"] and not asked:
            print(f"Next: {outcome['advice']}\n  {outcome['command']}")
    for option, sample, _ in asked:
        _open_grid(workspace, found, option, sample, shows=arguments.open and not arguments.json)
    return found.is_alarm and not asked


def _open_grid(
    workspace: "Workspace", found: "Watch", option: str, sample: "Sample", *, shows: bool
) -> None:
    """Open the grid with the images of a sample that wait, or name the command that does."""
    from pixmill.project.page.home import open_project
    from pixmill.review.serving import ReviewSite

    asked = found.answers[found.answers["sample"] == sample]
    waiting = int(asked["waiting"].sum())
    announce(f"{count(waiting, 'image')} to label, {len(asked) - waiting:,} answered.")
    if not waiting:
        return
    log = quote(str(found.folder))
    if not shows:
        announce(f"Next: pixmill watch {log} --{option}")
        return
    site = ReviewSite(workspace)
    site.begin(grid=True)
    sort = "next" if sample == "doubtful" else "files"
    site.start = f"review/#scope=asked:{sample}&sort={sort}"
    open_project(workspace, site)
    announce(f"What the answers say: pixmill watch {log}")
