"""Review images in your browser, by key press.

Shows corrections that users of `pixmill serve` sent, label conflicts, images that the
model gets wrong and the base's got right, label issues, confident errors,
near-duplicates, uncertain predictions, outliers and dropped images. Each decision
is written to review.csv at once, and the next `dvc repro` applies it; new images that you
accept go into data/, and stay in inbox/ until a commit holds them. The page is served on
this machine only; stop it with Ctrl-C.
"""

import argparse

from pixmill.cli.parser import inbox, port, project_workspace

EXAMPLES = (
    ("pixmill review", "review labels, duplicates, outliers and wrong predictions"),
    ("pixmill review --only feedback", "only the corrections that users sent"),
    ("pixmill review data/coat/0012.png", "begin with this image, whatever its state"),
)

_KINDS = ("feedback", "conflicts", "flips", "labels", "errors", "near-duplicates", "uncertain", "outliers", "dropped")
"""The kinds of ``pixmill.review.cases``, whose import would slow down every other command."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "image", nargs="?", metavar="ID|FILE", help="begin with this image, whatever its state: its id or file"
    )
    parser.add_argument("--only", choices=_KINDS, metavar="KIND", help=f"show one kind only: {', '.join(_KINDS)}")
    parser.add_argument("--by", metavar="NAME", help="reviewer's name (default: Git's user.name, or the login)")
    parser.add_argument(
        "--inbox",
        type=inbox,
        metavar="DIR",
        help="folder of `pixmill serve`'s feedback, whose corrections are first moved to inbox/ (default: inbox/)",
    )
    parser.add_argument(
        "--restore",
        action="store_true",
        help="put back accepted images and decisions that have vanished from data/ and review.csv, and show no page",
    )
    parser.add_argument("--port", type=port, default=0, help="port on 127.0.0.1; 0 for a free one (default: 0)")
    parser.add_argument("--no-open", dest="open", action="store_false", help="do not open the browser")


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    from pixmill.core.params import load_params

    workspace = project_workspace()
    if arguments.restore:
        from pixmill.review.recovery import restore

        restore(workspace, load_params(workspace.root))
        return
    from pixmill.review.reviewing import review

    review(
        workspace,
        load_params(workspace.root),
        image=arguments.image,
        by=arguments.by,
        only=arguments.only,
        inbox=arguments.inbox,
        port=arguments.port,
        open_browser=arguments.open,
    )
