"""Serve the page of a project until Ctrl-C."""

import webbrowser

from pixmill.core.files.workspace import Workspace
from pixmill.core.process.progress import announce
from pixmill.project.page.jobs import Job
from pixmill.project.page.page_routes import Home, routes
from pixmill.web.address_file import ask_running
from pixmill.web.private_server import PrivateServer, make_app, wait_for_end


def open_project(workspace: Workspace, *, port: int = 0, open_browser: bool = True) -> None:
    """Serve the page until Ctrl-C; where it is served already, open it once more.

    A run of the pipeline that was started on the page goes on.

    Args:
        workspace: The project's folders.
        port: The port on 127.0.0.1; 0 takes a free one.
        open_browser: Whether to show the page in the default browser.

    Raises:
        PixmillError: The port is taken.
    """
    root = workspace.root
    address_file, about = workspace.scratch("open") / "address.json", {"project": str(root.resolve())}
    if running := ask_running(address_file, about):
        announce(f"The page is served already, at {running} (stop it with Ctrl-C where it was started)")
        if open_browser:
            webbrowser.open(running)
        return
    home = Home(root, Job(root, "dvc repro"), Job(root, "pixmill compare"))
    app = make_app(routes(home))
    server = PrivateServer(app, command="pixmill open", port=port, address_file=address_file, about=about)
    try:
        with server:
            announce(f"The project is at {server.new_address()} (stop with Ctrl-C)")
            if open_browser:
                webbrowser.open(server.new_address())
            wait_for_end()
    except KeyboardInterrupt:
        for name, job in (("dvc repro", home.pipeline), ("pixmill compare", home.comparison)):
            if (pid := job.pid) is not None:
                announce(f"\n{name} goes on. To stop it: kill -INT -{pid}")
