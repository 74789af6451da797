"""The command ``pixmill``: what a person does around the pipeline."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from pixmill import __version__
from pixmill.errors import PixmillError

__all__ = ["main"]

_EPILOG = """\
examples:
  pixmill check              is params.yaml sound?
  pixmill data               fill an empty data/ with the bundled pictures
  pixmill shop --open        look at the bundled shop
  pixmill browser --install  find or install a browser with its driver
  pixmill summary            what the last run found, and where to look

The pipeline itself is run by DVC: `dvc repro`, or `make repro` which also sets everything up.
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser that guesses what a mistyped verb meant."""

    verbs: Sequence[str] = ()
    typed: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        typed = next((word for word in self.typed if not word.startswith("-")), "")
        if "invalid choice" in message and self.verbs and typed:
            close = difflib.get_close_matches(typed, self.verbs, n=1)
            message = f"there is no command '{typed}'" + (f"; did you mean '{close[0]}'?" if close else "")
            message += f"\nThe commands are: {', '.join(self.verbs)}."
        self.exit(2, f"{self.prog}: {message}\nNext: {self.prog} --help\n")


def _project() -> Path:
    """Return the project's folder: this one or the nearest above it, as for Git and DVC."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").exists() or (folder / "params.yaml").exists():
            return folder
    raise PixmillError(
        f"{here} belongs to no project: neither it nor a folder above it holds dvc.yaml",
        next="cd to the project's folder, then the same command again",
    )


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, received '{text}'")
    return int(text)


def _check(_: argparse.Namespace) -> None:
    import shutil

    from pixmill.params import load_params

    params = load_params(_project())
    print(
        f"params.yaml is sound: {len(params.classes)} classes ({', '.join(params.classes)}); "
        f"pictures from the source '{params.scrape.source}'"
    )
    found = shutil.which("python")
    if found is None or Path(found).parent.resolve() != Path(sys.executable).parent.resolve():
        print(
            f"warning: dvc would run {found or 'no python at all'}, not {sys.executable}\n"
            f'Next: export PATH="{Path(sys.executable).parent}:$PATH"',
            file=sys.stderr,
        )


def _data(_: argparse.Namespace) -> None:
    from pixmill.bundled import commit_data, make_data

    root = _project()
    make_data(root, report=_say)
    # Always: an earlier call may have been killed between the two.
    commit_data(root, report=_say)


def _browser(arguments: argparse.Namespace) -> None:
    from pixmill.browser import find_browser, install_browser

    found = install_browser(report=_say) if arguments.install else find_browser()
    print(f"browser: {found.binary} {found.version}\ndriver:  {found.driver} {found.driver_version}")


def _shop(arguments: argparse.Namespace) -> None:
    from pixmill.shop import serve

    serve(_project() / "data", port=arguments.port, open_browser=arguments.open)


def _summary(_: argparse.Namespace) -> None:
    from pixmill.summary import summary

    print(summary(_project(), environ=os.environ))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> _Parser:
    parser = _Parser(
        prog="pixmill",
        description="Mill pictures from the web into a reviewed image classifier.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pixmill {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def verb(
        name: str, act: Callable[[argparse.Namespace], None], text: str, more: str = ""
    ) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = verbs.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}"
        )
        added.set_defaults(act=act)
        return added

    verb("check", _check, "check params.yaml", "Exits 1 with one line for each wrong key.")
    verb(
        "data",
        _data,
        "fill an empty data/ with the bundled pictures",
        "Pictures that are there already are yours and are never touched.",
    )
    browser = verb("browser", _browser, "show the browser and driver that scraping uses")
    browser.add_argument("--install", action="store_true", help="install them where there are none")
    shop = verb("shop", _shop, "serve the bundled shop on this machine", "Ctrl-C ends it.")
    shop.add_argument("--port", type=_port, default=8000, help="port on 127.0.0.1; 0 takes a free one (default: 8000)")
    shop.add_argument("--open", action="store_true", help="open it in your browser")
    verb("summary", _summary, "print what the last run found, and where to look")
    parser.verbs = tuple(verbs.choices)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        argv: The words behind ``pixmill``; default: the process's own.
    """
    parser = _parser()
    parser.typed = sys.argv[1:] if argv is None else argv
    arguments = parser.parse_args(parser.typed)
    if not hasattr(arguments, "act"):
        parser.print_help()
        return
    try:
        arguments.act(arguments)
    except PixmillError as error:
        print(f"pixmill: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader went away (`pixmill … | head`): nothing is wrong, and nothing more can be said.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        sys.exit(0)
