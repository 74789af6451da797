"""A review as one function: a project in, a page until Ctrl-C, decisions in ``review.csv``."""

import webbrowser
from pathlib import Path

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.core.words import count
from pixmill.review.doubts import Kind
from pixmill.review.page_routes import routes
from pixmill.review.sitting import Sitting
from pixmill.serve.inbox import Inbox
from pixmill.web.private_server import PrivateServer, make_app, wait_for_end


def review(
    workspace: Workspace,
    params: Params,
    *,
    image: str | None = None,
    by: str | None = None,
    only: Kind | None = None,
    inbox: Path | None = None,
    port: int = 0,
    open_browser: bool = True,
) -> None:
    """Serve the cases to review, and write the decisions, until Ctrl-C.

    Args:
        workspace: The project's folders.
        params: Its parameters.
        image: The id or file of the image to begin with, whatever its state; default: the first open case.
        by: Who decides; default: :func:`pixmill.review.sitting.default_name`.
        only: The one kind of cases to show; default: all.
        inbox: Where servers put feedback; default: ``inbox/``. What lies in another folder is first moved there.
        port: The port on 127.0.0.1; default: a free one.
        open_browser: Whether to show the page in the default browser.

    Raises:
        ManifestError: The tables of scrape or validate are missing, or do not belong together.
        LockedError: Others kept the inbox locked for ten seconds.
        PixmillError: The port is taken, or the image that was named is not there.
        ReviewError: ``review.csv`` is malformed.
        StorageError: The inbox may not be written.
    """
    box = Inbox(workspace.root / "inbox")
    if inbox is not None and inbox.resolve() != Path(box.place).resolve():
        announce(f"{count(box.take_over(inbox), 'correction')} moved from {inbox} to {box.place}.")
    sitting = Sitting(workspace, params, image=image, by=by, only=only)
    if sitting.remarks:
        announce("\n".join(sitting.remarks))
    if not sitting.cases:
        return
    server = PrivateServer(make_app(routes(sitting)), command="pixmill review", port=port)
    try:
        with server, sitting:
            cases = count(len(sitting.cases), "case")
            announce(f"{cases} to review at {server.new_address()} (stop with Ctrl-C)")
            if open_browser:
                webbrowser.open(server.new_address())
            wait_for_end()
    except KeyboardInterrupt:
        ending = sitting.end()
        announce(f"\n{ending.said}")
        if ending.then is not None:
            announce(f"Next: {ending.then}")
