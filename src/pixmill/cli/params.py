"""List the params, or explain one.

Each is printed with its origin, params.yaml or the default; a KEY also with its
meaning, a section with all its keys.

You can add any key to params.yaml. In an experiment, ++ sets a key even if the file
lacks it: dvc exp run -S '++train.minutes=5'
"""

import argparse
import json
from typing import TYPE_CHECKING, Any

from pixmill.cli.parser import project_root

if TYPE_CHECKING:
    from pixmill.core.params.reference import CurrentParam

EXAMPLES = (
    ("pixmill params", "print all params and their values"),
    ("pixmill params --changed", "only those that differ from the defaults"),
    ("pixmill params train.epochs", "one, with its meaning, values and default"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "keys", nargs="*", metavar="KEY", help="a dotted name, such as train.epochs, or a section"
    )
    parser.add_argument(
        "--changed", action="store_true", help="only those that differ from the defaults"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Print the requested params."""
    from pixmill.core.params.reference import current_params, plain
    from pixmill.core.words import shorten

    found = current_params(project_root(), arguments.keys)
    if arguments.changed:
        found = [item for item in found if item.changed]
    if arguments.json:
        rows = {item.name: _row(item) for item in found}
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max((len(item.name) for item in found), default=0)
    for item in found:
        origin = "params.yaml" if item.in_file else "default"
        print(f"{item.name:{width}}  {shorten(plain(item.value), 60):24}  {origin}")
        if item.name in arguments.keys:
            default = "required" if item.default is ... else f"default: {plain(item.default)}"
            print(f"  {item.meaning}\n  {item.values()}; {default}")


def _row(item: "CurrentParam") -> dict[str, Any]:
    return {
        "value": item.value,
        "default": None if item.default is ... else item.default,
        "in_file": item.in_file,
        "meaning": item.meaning,
        "values": item.expected,
    }
