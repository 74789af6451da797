"""Take images out of the project, and of DVC's cache and remote.

Images are named by id, file, path or URL, or by the host or the author that they
are from. They are excluded in params.yaml, dropped in review.csv, and deleted from
data/, artifacts/scrape, the inbox and the caches; `dvc repro` then makes all results
without them.

After the commit, --purge lists the objects of DVC that hold such images and that the
last commit does not use; with --yes, it deletes them.
"""

import argparse
import re

from pixmill.cli.parser import project_workspace
from pixmill.core.errors import PixmillError

EXAMPLES = (
    ("pixmill forget 9f86d081 --reason 'asked by mail'", "forget an image"),
    ("pixmill forget --host photos.example.org --dry-run", "count the images of a host"),
    ("pixmill forget --purge --remote", "list the objects of forgotten images"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("images", nargs="*", metavar="ID|FILE|URL", help="id (at least 8 digits), file or URL")
    parser.add_argument(
        "--host", type=_host, action="append", default=[], help="host of pages or images, with its subdomains"
    )
    parser.add_argument("--author", action="append", default=[], help="author, exactly as in the tables")
    parser.add_argument("--reason", default="", metavar="TEXT", help="reason for review.csv")
    parser.add_argument("--dry-run", action="store_true", help="only count what would be removed")
    parser.add_argument("--purge", action="store_true", help="list the objects of DVC that hold forgotten images")
    parser.add_argument("--remote", action="store_true", help="with --purge: also those in the default remote")
    parser.add_argument("--yes", action="store_true", help="with --purge: delete them")


def run(arguments: argparse.Namespace) -> None:
    """Forget images, or purge forgotten ones."""
    from pixmill.project.disk.cleaning import find_scratch

    workspace = project_workspace()
    if arguments.purge == bool(arguments.images or arguments.host or arguments.author):
        raise PixmillError("expected images, --host or --author; or --purge alone", next="pixmill forget --help")
    with find_scratch(workspace):  # No stage and no DVC may run.
        if arguments.purge:
            _purge(arguments)
        else:
            _forget(arguments)


def _host(text: str) -> str:
    from pixmill.core.params.scrape import HOST

    if not re.fullmatch(HOST, text.lower()):
        raise argparse.ArgumentTypeError(f"expected a host such as photos.example.org, received '{text}'")
    return text.lower()


def _forget(arguments: argparse.Namespace) -> None:
    from pixmill.core.words import count, first_of
    from pixmill.project.dataset.forgetting import find_images, forget
    from pixmill.review.reviewing import default_name

    workspace = project_workspace()
    images = find_images(workspace.root, arguments.images, hosts=arguments.host, authors=arguments.author)
    by, dry = default_name(workspace.root), arguments.dry_run
    for place, number in forget(workspace, images, reason=arguments.reason, by=by, dry_run=dry).items():
        print(f"{place:20}{number:>8,}")
    print(f"{count(len(images.ids), 'image')} {'would be ' if dry else ''}forgotten")
    if images.alike:
        few = [name[:12] for name in images.alike]
        print(f"Near-duplicates of them stay: {first_of(few)}; to forget them, too: pixmill forget {few[0]} …")
    if not dry:
        print('Next: dvc repro && git commit -am "Forget images", then: pixmill forget --purge')


def _purge(arguments: argparse.Namespace) -> None:
    from pixmill.core.words import count
    from pixmill.project.dataset.purging import Purging
    from pixmill.project.disk.usage import show

    purging = Purging(project_workspace().root, remote=arguments.remote)
    purge = purging.plan()
    if arguments.yes:
        purging.delete(purge)
    for name, sizes in purge.sizes.items():
        print(f"{name:8}{count(len(sizes), 'object'):>16}  {show(sum(sizes.values()))}")
    if purge.commits:
        print("Commits that cannot be checked out without these objects:", *purge.commits, sep="\n  ")
    if purge.unknown:
        print(
            f"{count(purge.unknown, 'commit')} without a list of images here: purged before, or never fetched "
            "(then: dvc fetch --all-commits, and repeat)"
        )
    print(
        "Not touched: runs and models in MLflow that learned from the images (delete those of these commits there, "
        "then: mlflow gc), Git's history of review.csv, clones and caches of others, exports and backups."
    )
    if not arguments.yes:
        print(f"Next: pixmill forget --purge{' --remote' * arguments.remote} --yes")
