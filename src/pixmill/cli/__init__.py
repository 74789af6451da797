"""The command ``pixmill``.

To add a verb, write a module of its name and add the name to ``GROUPS``:

- its docstring is the help; the first line also appears in ``pixmill --help``;
- ``EXAMPLES`` (optional) are pairs of command and meaning;
- ``add_options(parser)`` (optional) declares its arguments;
- ``run(arguments)`` does the work, and imports slow or optional packages;
- ``EXTRAS`` (optional) names extras that suffice instead of ``pipeline``.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword

from pixmill import __version__
from pixmill.cli.parser import Parser
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import storage_errors
from pixmill.core.process.account import complete_account
from pixmill.core.process.lifetime import end_with_parent
from pixmill.core.process.progress import announce, encode_any_text
from pixmill.core.words import printable_lines

__all__ = ["GROUPS", "VERBS", "main", "make_parser"]

GROUPS: Mapping[str, Sequence[str]] = {
    "start": ("new", "import", "use", "doctor", "open", "scrape"),
    "work": ("summary", "compare", "sweep", "review", "trace", "forget"),
    "deliver": ("promote", "rollback", "models", "predict", "serve", "watch", "export"),
    "rarely": ("params", "upgrade", "clean", "demo"),
}
"""The verbs in order of use."""

VERBS = tuple(verb for group in GROUPS.values() for verb in group)

_FORMER: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("browser", "--install"): ("doctor", "--fix", "browser"),
    ("browser",): ("doctor", "browser"),
    ("check",): ("doctor", "--quick"),
    ("data",): ("demo",),
    ("shop",): ("demo", "--shop"),
    ("sync",): ("doctor", "--fix", "mlflow"),
}
"""Commands of earlier versions and their names now, for the CI files and hooks of projects."""

EXAMPLES = (
    ("pixmill new shoes --demo", "create a project with the bundled images"),
    ("dvc repro", "run the pipeline"),
    ("pixmill open", "show next steps and results in the browser"),
)


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    """Return example commands and their meanings, aligned; empty without examples."""
    width = max((len(command) for command, meaning in examples if meaning), default=0)
    lines = [f"  {command:{width}}  {meaning}".rstrip() for command, meaning in examples]
    return "\n".join(("examples:", *lines, "")) if lines else ""


def make_parser() -> Parser:
    """Return the parser of all verbs."""
    verbs = {name: import_module(f"{__name__}.{name}{'_' * iskeyword(name)}") for name in VERBS}
    texts = {name: verb.__doc__ or "" for name, verb in verbs.items()}
    width = max(map(len, VERBS))
    lines = ["Build an image classifier from images on the web, or from your own."]
    for group, names in GROUPS.items():
        lines += ["", f"{group}:"]
        for name in names:
            first = texts[name].partition("\n")[0].removesuffix(".")
            lines.append(f"  {name:{width}}   {first[:1].lower()}{first[1:]}")
    parser = Parser(
        prog="pixmill",
        usage="pixmill [-h] [--version] COMMAND ...",
        description="\n".join(lines),
        epilog=_examples(EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pixmill {__version__}")
    subparsers = parser.add_subparsers(prog="pixmill", help=argparse.SUPPRESS, parser_class=Parser)
    for name, verb in verbs.items():
        added = subparsers.add_parser(
            name,
            description=texts[name],
            epilog=_examples(getattr(verb, "EXAMPLES", ())),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if hasattr(verb, "add_options"):
            verb.add_options(added)
        added.set_defaults(run=verb.run, command=added.prog, extras=getattr(verb, "EXTRAS", ()))
    parser.verbs = VERBS
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command.

    Args:
        argv: Arguments after ``pixmill``; default: those of the process.
    """
    encode_any_text()
    complete_account()
    end_with_parent()
    try:
        try:
            _run(argv)
        finally:
            sys.stdout.flush()  # at exit, a closed pipe would be reported
    except BrokenPipeError as error:
        try:
            print(flush=True)  # A large failed write leaves nothing to flush.
        except BrokenPipeError:
            # The reader closed the pipe (`pixmill … | head`); discard the rest of the output.
            for stream in (sys.stdout, sys.stderr):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            sys.exit(getattr(error.__context__, "code", int(error.__context__ is not None)))
        raise  # Another pipe, such as that of a worker.


def _rename(typed: Sequence[str]) -> Sequence[str]:
    """Return the words of a command, a former name replaced by that of today."""
    for former, now in _FORMER.items():
        if tuple(typed[: len(former)]) == former:
            announce(f"note: pixmill {' '.join(former)} is now: pixmill {' '.join(now)}")
            return [*now, *typed[len(former) :]]
    return typed


def _run(argv: Sequence[str] | None) -> None:
    """Run a command; exit with a message if the user can fix its error."""
    # Pydantic would search all packages for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    parser = make_parser()
    parser.typed = _rename(sys.argv[1:] if argv is None else argv)
    arguments = parser.parse_args(parser.typed)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return
    try:
        with storage_errors(then="the same command"):
            try:
                arguments.run(arguments)
            except ModuleNotFoundError as error:
                from pixmill.core.install.extras import missing_package

                if missing := missing_package(error, arguments.command, extras=arguments.extras):
                    raise missing from None
                raise
    except PixmillError as error:
        print(f"pixmill: {printable_lines(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
