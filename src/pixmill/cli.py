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
  pixmill use best           put a recipe in place of params.yaml; alone: list them
  pixmill check              is params.yaml sound?
  pixmill data               fill an empty data/ with the bundled pictures
  pixmill doctor             does this machine have all that a run needs?
  pixmill scrape --dry-run   what would be visited, and for how long?
  pixmill scrape --probe bing "silk saree"
                             what does each selector find on the page?
  pixmill review             decide on pictures of doubt, by key press
  pixmill shop --open        look at the bundled shop
  pixmill browser --install  find or install a browser with its driver
  pixmill summary            what the last run found, and where to look

The pipeline itself is run by DVC: `dvc repro`, or `make repro` which also sets everything up.
"""


_USE = """\
examples:
  pixmill use                    the recipes, and what each is for
  pixmill use best               the one that we recommend
  pixmill use best --keep-data   its model alone, for the pictures that you have
  pixmill use garments --open    a recipe of shops, with openly licensed pictures instead
"""

_DOUBTS = ("conflicts", "near-duplicates", "labels", "outliers", "dropped")
"""The kinds of ``pixmill.review.case``, whose import would slow down every other command."""


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
    from pixmill.report import shorten

    params = load_params(_project())
    sources = dict.fromkeys(name for label in params.classes for name in params.scrape.sources_of(label))
    print(
        f"params.yaml is sound: {len(params.classes)} classes ({shorten(', '.join(params.classes), 300)}); "
        f"pictures from {', '.join(sources)}"
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
    from pixmill.browser import Grid, choose_browser, install_browser

    if arguments.install and not os.environ.get("PIXMILL_WEBDRIVER_URL"):
        install_browser(report=_say)
    found = choose_browser()
    if isinstance(found, Grid):
        print(f"grid: {found.url} (PIXMILL_WEBDRIVER_URL)")
    else:
        print(f"browser: {found.binary} {found.version}\ndriver:  {found.driver} {found.driver_version}")


def _doctor(_: argparse.Namespace) -> None:
    from pixmill.doctor import examine, render

    findings = examine(_project(), environ=os.environ)
    print(render(findings))
    if any(finding.state == "bad" for finding in findings):
        sys.exit(1)


def _scrape(arguments: argparse.Namespace) -> None:
    from pixmill.params import load_params
    from pixmill.workspace import Workspace

    workspace = Workspace(_project(), _project())
    params = load_params(workspace.root)
    scratch = workspace.scratch("scrape")
    if arguments.probe:
        from pixmill.scrape import probe_source

        source, text = arguments.probe
        report = probe_source(source, text, params.scrape, root=workspace.root, scratch=scratch)
        print("\n".join(report.lines()))
        if report.failure is not None:
            sys.exit(1)
    elif arguments.dry_run:
        from pixmill.scrape import forecast

        ahead = forecast(params.classes, params.scrape, root=workspace.root, scratch=scratch)
        print("\n".join(ahead.lines()))
    else:
        raise PixmillError("the stage is run by DVC, which knows what has changed", next="dvc repro scrape")


def _review(arguments: argparse.Namespace) -> None:
    from pixmill.params import load_params
    from pixmill.review.sitting import review
    from pixmill.workspace import Workspace

    workspace = Workspace(_project(), _project())
    review(
        workspace,
        load_params(workspace.root),
        by=arguments.by,
        only=arguments.only,
        port=arguments.port,
        open_browser=arguments.open,
    )


def _shop(arguments: argparse.Namespace) -> None:
    from pixmill.shop import serve

    serve(_project() / "data", port=arguments.port, open_browser=arguments.open)


def _summary(_: argparse.Namespace) -> None:
    from pixmill.summary import summary

    print(summary(_project(), environ=os.environ))


def _use(arguments: argparse.Namespace) -> None:
    from pixmill.use import find_recipe, listing, use

    root = _project()
    if arguments.recipe is None:
        print(f"{listing(root)}\nNext: pixmill use RECIPE")
        return
    recipe = find_recipe(root, arguments.recipe)
    if arguments.open:
        recipe = recipe.opened()
    done = use(root, recipe, keep_data=arguments.keep_data, force=arguments.force)
    print(f"params.yaml is {'already ' if not done.rewritten else ''}as the recipe '{recipe.name}' says")
    print("\n".join(done.lines()))


def _sync(arguments: argparse.Namespace) -> None:
    from pixmill.tracking import send_waiting
    from pixmill.workspace import Workspace

    done = send_waiting(Workspace(_project(), _project()), everything=arguments.all, forget=arguments.forget)
    print(f"sync: {done.line()}")
    if done.left or done.refused or done.kept_back:
        sys.exit(1)


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
    verb(
        "doctor",
        _doctor,
        "check what a run needs on this machine",
        "Each thing that is missing is told with the command that mends it; exits 1 where there is one.",
    )
    scrape = verb(
        "scrape",
        _scrape,
        "look ahead at a scrape, or into a page of results",
        "The stage itself is run by `dvc repro scrape`.",
    )
    either = scrape.add_mutually_exclusive_group()
    either.add_argument(
        "--dry-run", action="store_true", help="say what would be visited and about how long it takes; visits nothing"
    )
    either.add_argument(
        "--probe",
        nargs=2,
        metavar=("SOURCE", "QUERY"),
        help="open the source's page for a query, print what each selector of sites/<source>.yaml finds there (count, "
        "first example), and save the page and a picture of it",
    )
    review = verb(
        "review",
        _review,
        "decide on pictures of doubt, by key press",
        "Opens a page of this machine in your browser: conflicts of labels, near-duplicates, labels in doubt, outliers "
        "of a class, and dropped pictures that may be rescued. What you decide is written to review.csv at once; "
        "`dvc repro` then uses it. Ctrl-C ends it.",
    )
    review.add_argument("--only", choices=_DOUBTS, metavar="KIND", help=f"show one kind: {', '.join(_DOUBTS)}")
    review.add_argument("--by", metavar="NAME", help="who decides (default: the name in Git's settings, or the login)")
    review.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1; 0 takes a free one (default: 0)")
    review.add_argument("--no-open", dest="open", action="store_false", help="do not open your browser")
    shop = verb("shop", _shop, "serve the bundled shop on this machine", "Ctrl-C ends it.")
    shop.add_argument("--port", type=_port, default=8000, help="port on 127.0.0.1; 0 takes a free one (default: 8000)")
    shop.add_argument("--open", action="store_true", help="open it in your browser")
    verb("summary", _summary, "print what the last run found, and where to look")
    use = verb(
        "use",
        _use,
        "put a recipe in place of params.yaml",
        "Without a name, lists the recipes. An edited file is replaced only once Git has it, or by --force.",
    )
    use.formatter_class = argparse.RawDescriptionHelpFormatter
    use.epilog = _USE
    use.add_argument("recipe", nargs="?", metavar="RECIPE", help="a file of recipes/, without .yaml")
    use.add_argument(
        "--keep-data",
        action="store_true",
        help="take over only `train` and the form in which pictures are packed; your classes, sources and parts stay",
    )
    use.add_argument(
        "--open", action="store_true", help="ask openly licensed archives in place of the recipe's sources"
    )
    use.add_argument("--force", action="store_true", help="replace an edited params.yaml too; a copy is kept")
    sync = verb(
        "sync",
        _sync,
        "send to MLflow what it has not taken yet",
        "Runs whose records wait in .pixmill/tracking/ because the server was away. What was sent before is not "
        "doubled. Exits 1 where something still waits.",
    )
    sync.add_argument("--all", action="store_true", help="send also what was meant for another MLFLOW_TRACKING_URI")
    sync.add_argument("--forget", action="store_true", help="delete what MLflow refuses for good")
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
