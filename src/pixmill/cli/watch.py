"""Watch a model at work, from the log of `pixmill serve --log` or `predict --log`.

Compares the images that came in with the model's own test images: what came, whether
it differs (one test over all looks, which gives a false alarm in one of 20 projects,
ever), and whether the answers still hold. Writes reports/watch.html.
Exits 1 in an alarm, so that a cron job can mail its line.
"""

import argparse
import json
import sys
from pathlib import Path

from pixmill.cli.parser import number, project_workspace
from pixmill.core.errors import PixmillError

EXTRAS = ("serve", "registry")

EXAMPLES = (
    ("pixmill watch log", "compare what came in with the test images"),
    ("pixmill watch log --label 60", "label 60 random images: does the accuracy hold?"),
    ("pixmill watch log --accept", "new images differ, but it is fine: compare with them now"),
)


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
        "--days", type=some, default=30, metavar="N", help="days to estimate from (default: 30)"
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="take all images until now as usual, and compare later ones with them",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Write the page, and print the outcome; exit with 1 in an alarm."""
    from pixmill.serve.predict.model import find_model
    from pixmill.serve.watch.outcome import document, save_outcome
    from pixmill.serve.watch.watching import watch

    root = project_workspace().root
    try:
        model = find_model(arguments.model, root)
        found = watch(root, arguments.log, model, days=arguments.days, accept=arguments.accept)
    except PixmillError as error:
        error.exit_code = 2  # 1 means an alarm
        raise
    outcome = document(found)
    save_outcome(root, outcome)
    if arguments.json:
        print(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        print(outcome["sentence"])
        if outcome["command"]:
            print(f"Next: {outcome['advice']}\n  {outcome['command']}")
    if found.is_alarm:
        sys.exit(1)
