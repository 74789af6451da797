"""Take images out of the project, and of DVC's cache and remote.

Images are named by id, file, path or URL, or by the host or the author that they
are from. They are excluded in params.yaml, dropped in decisions.csv, and deleted from
data/, artifacts/scrape, the inbox and the caches; `dvc repro` then makes all results
without them.

After the commit, --purge lists the objects in DVC's cache and default remote that hold
such images and that the last commit does not use; with --yes, it deletes them. Lists of
the other files in data/ and artifacts/scrape stay. Where others may use these objects,
it needs --shared, too.
"""

import argparse
import re

from pixmill.cli.parser import project_workspace
from pixmill.core.errors import PixmillError
from pixmill.core.words import count, first_of, printable

EXAMPLES = (
    ("pixmill forget 9f86d081 --reason 'asked by mail'", "forget an image"),
    ("pixmill forget --host photos.example.org --dry-run", "list the images of a host"),
    ("pixmill forget --purge", "list the objects of forgotten images"),
)

_NOT_TOUCHED = """\
Not touched: runs and models in MLflow that learned from the images (delete those of these commits, then: mlflow gc);
runs in .pixmill/record; other results never committed (dvc gc --workspace --all-commits --all-experiments --force);
Git's history of decisions.csv and params.yaml, which name the images; lists/*.csv and tables in data/ other than
metadata.csv (edit them); clones, caches, exports and backups of others."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "images", nargs="*", metavar="ID|FILE|URL", help="id (at least 8 digits), file or URL"
    )
    parser.add_argument(
        "--host", type=_host, action="append", default=[], help="host or domain of pages or images"
    )
    parser.add_argument(
        "--author", action="append", default=[], help="author, exactly as in the tables"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="reason for decisions.csv")
    parser.add_argument("--dry-run", action="store_true", help="list the images, change nothing")
    parser.add_argument(
        "--purge", action="store_true", help="list the objects of DVC that hold forgotten images"
    )
    parser.add_argument("--yes", action="store_true", help="with --purge: delete them")
    shared = "with --purge: also what other projects, branches, tags or experiments may use"
    parser.add_argument("--shared", action="store_true", help=shared)


def run(arguments: argparse.Namespace) -> None:
    """Forget images, or purge forgotten ones."""
    from pixmill.dataset.deciding import default_name
    from pixmill.dataset.forgetting import forget, plan_forgetting
    from pixmill.project.disk.cleaning import find_scratch

    workspace = project_workspace()
    exclusions = {"hosts": arguments.host, "authors": arguments.author}
    for_purge = (arguments.yes, arguments.shared)
    ignored = any((arguments.dry_run, arguments.reason) if arguments.purge else for_purge)
    if ignored or arguments.purge == any((arguments.images, *exclusions.values())):
        expected = (
            "images, --host or --author, with --reason or --dry-run; or --purge, with "
            "--yes, --shared"
        )
        raise PixmillError(f"expected {expected}", next="pixmill forget --help")
    with find_scratch(workspace):  # No stage and no DVC may run.
        if arguments.purge:
            _purge(arguments)
            return
        plan = plan_forgetting(workspace, arguments.images, **exclusions)
        if not arguments.dry_run:
            by = default_name(workspace.root)
            copies, rows, missed = forget(workspace, plan, reason=arguments.reason, by=by)
    images = plan.images
    for label, chosen in images.groupby("label"):
        names = [*chosen["image_url"].fillna(chosen.index.to_series())]
        print(printable(f"{f'{label}:':16} {count(len(names), 'image')}: {first_of(names, 3)}"))
    if arguments.dry_run:
        print(
            f"{count(len(images), 'image')} to forget, nothing was changed. Next: the same command "
            "without --dry-run"
        )
    elif not (copies or rows or len(images)):
        excluded = first_of([*arguments.host, *arguments.author])
        print(f"no image of {excluded}; only the exclusions in params.yaml were changed")
    else:
        deleted = f"{count(copies, 'copy', 'copies')} and {count(rows, 'row')} of data/metadata.csv"
        print(f"{count(len(images), 'image')} forgotten, {deleted} deleted")
        for text in missed:
            print(
                f"Not reached, in a log of predictions: {printable(text)}. The same command tries "
                "again; or delete rows and images of the ids that decisions.csv forgets by hand"
            )
        print(
            'Next: dvc repro && git commit -am "Forget images"; with a remote: dvc push; pixmill '
            "forget --purge"
        )


def _host(text: str) -> str:
    from pixmill.core.params.scrape import HOST

    if not re.fullmatch(HOST, text.lower()):
        raise argparse.ArgumentTypeError(
            f"expected a host such as photos.example.org, received '{text}'"
        )
    return text.lower()


def _purge(arguments: argparse.Namespace) -> None:
    from pixmill.dataset.purging import plan_purge

    purge = plan_purge(project_workspace().root)
    again = f"pixmill forget --purge --yes{' --shared' * bool(purge.others)}"
    is_shared = any(purge.objects.values()) and purge.others
    if arguments.yes:
        if is_shared and not arguments.shared:
            raise PixmillError(
                f"others would lose objects: {'; '.join(purge.others)}",
                next=f"if they may: {again}",
            )
        purge.execute()
    state = "deleted" if arguments.yes else "to delete"
    for store, objects in purge.objects.items():
        print(f"{store:8}{count(len(objects), 'object')} {state}")
    if purge.unexamined:
        print(
            f"Not examined: {count(purge.unexamined, 'object')} of older commits; first: dvc fetch "
            "--all-commits"
        )
    print(_NOT_TOUCHED)
    if any(purge.objects.values()) and not arguments.yes:
        print(
            "Older commits with the images lose all results made from them, until dvc repro; data/ "
            "keeps the others."
        )
        for each in purge.others:
            print(f"Others would lose them, too: {each}")
        print(f"Next: {again}")
