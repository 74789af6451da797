"""The command ``pixmill``: everything around the pipeline.

A verb is a module of its name, listed in ``_VERBS``: its docstring is its help, ``run(arguments)`` does the work, and
``add_options(parser)`` and ``EXAMPLES`` complete the help. What is slow to import, or of an extra, is imported in
``run``; ``EXTRAS`` names those that may be enough for the verb, where not all of ``pipeline`` is needed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from pixmill import __version__
from pixmill.cli import (
    browser,
    check,
    compare,
    data,
    doctor,
    export,
    new,
    params,
    predict,
    review,
    scrape,
    serve,
    shop,
    summary,
    sync,
    upgrade,
    use,
)
from pixmill.cli.parser import Parser
from pixmill.core.errors import PixmillError
from pixmill.core.extras import missing_package
from pixmill.core.files import storage_errors

__all__ = ["main"]

_VERBS: tuple[ModuleType, ...] = (
    new,
    check,
    params,
    data,
    browser,
    doctor,
    scrape,
    review,
    shop,
    summary,
    compare,
    predict,
    serve,
    export,
    use,
    upgrade,
    sync,
)
"""In the order of the help."""

_EPILOG = """\
examples:
  pixmill new shoes --demo   make a project of your own, here with the bundled images
  pixmill use best           replace params.yaml with a recipe; without a name: list them
  pixmill check              check params.yaml
  pixmill params             print all params and their values
  pixmill data               fill an empty data/ with the bundled images
  pixmill doctor             check this machine: packages, browser, MLflow, disk
  pixmill scrape --dry-run   show what a scrape would visit, and how long it takes
  pixmill scrape --probe bing "silk saree"
                             show what each selector finds on the page
  pixmill review             review labels, duplicates, outliers and wrong predictions
  pixmill shop --open        open the bundled shop in your browser
  pixmill browser --install  find or install a browser with its driver
  pixmill summary            print the results of the last run
  pixmill compare main       what did the change do, and does it matter?
  pixmill predict photo.jpg  predict the class of an image
  pixmill serve --open       try the model in your browser, or by its API
  pixmill export             export the model for other runtimes
  pixmill upgrade --check    does the project fit this version of Pixmill?

The pipeline itself runs with DVC: `dvc repro`.
"""


def _parser() -> Parser:
    parser = Parser(
        prog="pixmill",
        description="Build an image classifier from images on the web, or from your own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pixmill {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for verb in _VERBS:
        text = verb.__doc__ or ""
        added = subparsers.add_parser(
            verb.__name__.rpartition(".")[2],
            help=f"{text[:1].lower()}{text[1:]}".partition("\n")[0].removesuffix("."),
            description=text,
            epilog=getattr(verb, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if hasattr(verb, "add_options"):
            verb.add_options(added)
        added.set_defaults(run=verb.run, command=added.prog, extras=getattr(verb, "EXTRAS", ()))
    parser.verbs = tuple(subparsers.choices)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        argv: The words behind ``pixmill``; default: the process's own.
    """
    parser = _parser()
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
