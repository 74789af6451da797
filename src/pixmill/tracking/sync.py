"""Upload all pending runs to MLflow: at the end of a stage, and in ``pixmill sync``."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from pixmill.core.files.workspace import Workspace
from pixmill.core.words import count
from pixmill.tracking.delivery import deliver
from pixmill.tracking.pending import RunData, pending_folders
from pixmill.tracking.store import (
    StoreError,
    connect,
    line_of,
    quiet_mlflow,
    tracking_uri,
    without_password,
)

_LOCK_SECONDS = 120
"""Seconds to wait for another process that uploads runs."""


@dataclass
class SyncResult:
    """The result of a sync.

    Args:
        uri: The tracking URI, without a password.
        sent: Names of the runs that were uploaded completely.
        waiting: Reasons why the other runs are pending, by folder.
        trouble: The error of an unavailable store.
    """

    uri: str
    sent: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    trouble: StoreError | None = None

    def line(self) -> str:
        """Return the result in one line."""
        parts = []
        if self.sent:
            parts.append(f"{count(len(self.sent), 'run')} sent to {self.uri}: {', '.join(self.sent)}")
        if self.trouble is not None:
            parts.append(f"MLflow at {self.uri} {self.trouble.message}")
            parts.append(f"{count(len(self.waiting), 'run')} pending in .pixmill/record")
            parts.append(f"next: {self.trouble.next}, then: pixmill sync")
        else:
            parts += [f".pixmill/record/{folder} is pending: {reason}" for folder, reason in self.waiting.items()]
            parts += ["next: pixmill sync"] * bool(self.waiting)
        return "; ".join(parts) or "no pending runs"


def sync(workspace: Workspace) -> SyncResult:
    """Upload all pending runs in ``.pixmill/record/``, oldest first, to the current store.

    Args:
        workspace: The project's workspace.
    """
    uri, place = tracking_uri(workspace), workspace.scratch("record")
    result = SyncResult(without_password(uri))
    quiet_mlflow()
    try:
        with filelock.FileLock(place / "lock", timeout=_LOCK_SECONDS):
            _deliver_all(place, uri, workspace.home, result)
    except Exception as error:  # noqa: BLE001 (backends raise any type)
        result.trouble = error if isinstance(error, StoreError) else StoreError(line_of(error), next="pixmill doctor")
    if result.trouble is not None:
        result.waiting = {folder.name: result.trouble.message for folder in pending_folders(place)}
    return result


def _deliver_all(place: Path, uri: str, home: Path, result: SyncResult) -> None:
    for folder in pending_folders(place):
        # Check again, since the store may have become unavailable.
        client = connect(uri)
        try:
            data = RunData.load(folder)
            if data.stage == "evaluate" and any(name.endswith(f"-train-{data.weights}") for name in result.waiting):
                raise ValueError("its training has not been sent yet")
            deliver(client, data, folder, home=home)
        except Exception as error:  # noqa: BLE001 (backends raise any type)
            result.waiting[folder.name] = line_of(error)
        else:
            shutil.rmtree(folder)
            result.sent.append(data.name or data.stage)
