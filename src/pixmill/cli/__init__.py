"""The command ``pixmill``: everything around the pipeline.

To add a verb, write a module of its name and add that to ``VERBS``:

- its docstring is its help;
- ``EXAMPLES`` are commands, each with what it does; the first one stands in ``pixmill --help``, too;
- ``add_options(parser)`` (optional) declares its arguments;
- ``run(arguments)`` does the work. What is slow to import, or of an extra, is imported there;
- ``EXTRAS`` (optional) names extras that may be enough for it, where not all of ``pipeline`` is needed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pixmill import __version__
from pixmill.cli.parser import Parser
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import storage_errors
from pixmill.core.install.extras import missing_package

__all__ = ["VERBS", "main", "make_parser"]

VERBS = (
    *("new", "open", "check", "params", "data", "browser", "doctor", "scrape", "review", "shop"),
    *("summary", "compare", "sweep", "promote", "rollback", "models", "predict", "serve", "export"),
    *("use", "upgrade", "sync", "clean"),
)
"""In the order of the help."""

_COLUMN = 46
"""A longer command has its meaning on the next line."""

_PIPELINE = "\nThe pipeline itself runs with DVC: `dvc repro`.\n"


def _epilog(examples: Sequence[tuple[str, str]]) -> str:
    """Return commands with what they do, each in a line, aligned."""
    width = max((len(command) for command, meaning in examples if meaning and len(command) <= _COLUMN), default=0)
    apart = f"\n  {'':{width}}"
    lines = [
        f"  {command:{width}}{apart * (len(command) > width)}   {meaning}" if meaning else f"  {command}"
        for command, meaning in examples
    ]
    return "\n".join(("examples:", *lines, ""))


def make_parser() -> Parser:
    """Return the parser of all verbs."""
    verbs = {name: import_module(f"{__name__}.{name}") for name in VERBS}
    parser = Parser(
        prog="pixmill",
        description="Build an image classifier from images on the web, or from your own.",
        epilog=_epilog([verb.EXAMPLES[0] for verb in verbs.values()]) + _PIPELINE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pixmill {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, verb in verbs.items():
        text = verb.__doc__ or ""
        added = subparsers.add_parser(
            name,
            help=f"{text[:1].lower()}{text[1:]}".partition("\n")[0].removesuffix("."),
            description=text,
            epilog=_epilog(verb.EXAMPLES),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if hasattr(verb, "add_options"):
            verb.add_options(added)
        added.set_defaults(run=verb.run, command=added.prog, extras=getattr(verb, "EXTRAS", ()))
    parser.verbs = VERBS
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        argv: The words behind ``pixmill``; default: the process's own.
    """
    parser = make_parser()
    parser.typed = sys.argv[1:] if argv is None else argv
    arguments = parser.parse_args(parser.typed)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return
    try:
        with storage_errors(then="the same command"):
            try:
                arguments.run(arguments)
            except ModuleNotFoundError as error:
                if told := missing_package(error, arguments.command, extras=arguments.extras):
                    raise told from None
                raise
    except PixmillError as error:
        print(f"pixmill: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader went away (`pixmill … | head`): nothing is wrong, and nothing more can be said.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        sys.exit(0)
