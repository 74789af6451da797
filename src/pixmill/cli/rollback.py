"""Put the previous model version back into production.

Moves the alias without a comparison, so it takes seconds. A server of `pixmill serve
--model models:/NAME@champion` follows.
"""

import argparse
import json

from pixmill.cli.parser import number, project_workspace
from pixmill.cli.promote import add_registry_options
from pixmill.core.process.progress import announce

EXAMPLES = (
    ("pixmill rollback", "return to the previous version"),
    ("pixmill rollback --to 3", "return to version 3"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    version = number("the number of a version", int, 1)
    parser.add_argument(
        "--to", type=version, metavar="VERSION", help="version (default: the previous one)"
    )
    add_registry_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Roll back, and print the outcome."""
    from dataclasses import asdict

    from pixmill.tracking.rolling_back import roll_back

    done = roll_back(
        project_workspace(),
        to=arguments.to,
        name=arguments.name,
        alias=arguments.alias,
        because=arguments.because,
    )
    print(json.dumps(asdict(done), indent=2) if arguments.json else done.describe())
    for warning in done.warnings:
        announce(f"warning: {warning}")
