"""``pixmill sync``: all that waits, sent now."""

from __future__ import annotations

from pixmill.tracking.environment import settled
from pixmill.tracking.store import tracking_uri
from pixmill.tracking.sync import Synced, sync
from pixmill.workspace import Workspace

__all__ = ["send_waiting"]


def send_waiting(workspace: Workspace, *, everything: bool = False, forget: bool = False) -> Synced:
    """Send what waits in ``.pixmill/tracking/`` to MLflow, and say what became of it.

    Args:
        workspace: Where the project lies.
        everything: Send also what was meant for another place than the present one.
        forget: Delete what MLflow refuses still.
    """
    with settled():
        return sync(
            workspace.scratch("tracking"),
            tracking_uri(workspace),
            home=workspace.home,
            everything=everything,
            insist=True,
            forget=forget,
        )
