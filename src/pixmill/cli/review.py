"""Review images in your browser by key press, or label many in a grid.

Shows corrections from users of `pixmill serve`, labels that people dispute, label
conflicts, images that the model gets wrong and the base got right, doubtful labels,
confident errors, near-duplicates, uncertain predictions, outliers and dropped
images. Each decision is written to decisions.csv at once, and the next `dvc repro`
applies it; accepted new images go into data/, and stay in inbox/ until they are
committed. The grid shows unlabelled images, what they are like, and what the model
believes: label those that you select. The page is served on this machine only; stop
it with Ctrl-C.
"""

import argparse

from pixmill.cli.parser import add_page_options, inbox, project_workspace
from pixmill.core.errors import PixmillError

EXAMPLES = (
    ("pixmill review", "review doubtful labels, duplicates, outliers and errors"),
    ("pixmill review --only feedback", "only the corrections from users"),
    ("pixmill review data/coat/0012.png", "start with this image"),
    ("pixmill review --grid", "label the images of data/unlabelled, many at once"),
)

_KINDS = (
    "feedback",
    "disputed",
    "conflicts",
    "flips",
    "labels",
    "errors",
    "near-duplicates",
    "uncertain",
    "outliers",
    "dropped",
)
"""``pixmill.review.cases.KINDS``, whose import would slow down the other verbs."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "image", nargs="?", metavar="ID|FILE", help="id or file of the image to start with"
    )
    parser.add_argument(
        "--only", choices=_KINDS, metavar="KIND", help=f"show one kind only: {', '.join(_KINDS)}"
    )
    parser.add_argument(
        "--grid",
        action="store_true",
        help="start with the grid (default: if only unlabelled images wait)",
    )
    parser.add_argument(
        "--by", metavar="NAME", help="reviewer's name (default: Git's user.name, or the login)"
    )
    parser.add_argument(
        "--inbox",
        type=inbox,
        metavar="DIR|ZIP",
        help=(
            "folder with corrections of `pixmill serve`, which are first moved to inbox/, or "
            "corrections.zip from a model in one file, which are copied (default: inbox/)"
        ),
    )
    parser.add_argument(
        "--random-sample",
        action="store_true",
        help=(
            "the corrections are those of a random sample, so accepted images may be in any "
            "split "
            "(default: in train)"
        ),
    )
    parser.add_argument(
        "--restore",
        action="store_true",
        help=(
            "restore accepted images and decisions missing from data/ and decisions.csv, without "
            "a page"
        ),
    )
    add_page_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    from pixmill.core.params import load_params

    if str(arguments.image).lower().endswith(".zip"):
        raise PixmillError("a zip is not an image", next="pixmill review --inbox ZIP")
    workspace = project_workspace()
    if arguments.restore:
        from pixmill.review.recovery import restore

        restore(workspace, load_params(workspace.root))
        return
    from pixmill.project.page.home import open_project
    from pixmill.review.serving import ReviewSite

    site = ReviewSite(
        workspace,
        image=arguments.image,
        by=arguments.by,
        only=arguments.only,
        is_sample=arguments.random_sample,
    )
    if site.begin(arguments.inbox, grid=arguments.grid):
        open_project(workspace, site, port=arguments.port, open_browser=arguments.open)
