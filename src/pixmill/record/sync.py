"""All runs that wait, delivered to MLflow: at the end of a stage, and by ``pixmill sync``."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from pixmill.core.workspace import Workspace
from pixmill.record.delivery import close_dead_runs, deliver
from pixmill.record.pending import RunData, pending_folders
from pixmill.record.store import StoreError, connect, database_file, line_of, quiet_mlflow, shown, tracking_uri

__all__ = ["Synced", "sync"]

_MOST = 100
"""How many runs wait at most."""

_LOCK_SECONDS = 120
"""How long another process that sends runs is waited for."""

_ABANDONED_SECONDS = 86_400
"""After which a run that is still being written was left by a killed process; it takes a minute or two."""


@dataclass
class Synced:
    """Say what became of the runs that waited.

    Args:
        uri: Where they went, without a password.
        sent: The names of those that MLflow has whole now.
        waiting: Why the others still wait, by folder.
        closed: How many runs of killed processes were ended.
        trouble: Why MLflow takes nothing; ``None`` where it does.
    """

    uri: str
    sent: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    closed: int = 0
    trouble: StoreError | None = None

    def line(self) -> str:
        """Return all of it in one line."""
        parts = []
        if self.sent:
            parts.append(f"{_runs(len(self.sent))} sent to {self.uri}: {', '.join(self.sent)}")
        if self.trouble is not None:
            count = len(self.waiting)
            parts.append(f"MLflow at {self.uri} {self.trouble.message}")
            parts.append(f"{_runs(count)} {'waits' if count == 1 else 'wait'} in .pixmill/record")
            parts.append(f"next: {self.trouble.next}, then: pixmill sync")
        else:
            parts += [f".pixmill/record/{folder} waits: {reason}" for folder, reason in self.waiting.items()]
        if self.closed:
            parts.append(f"{_runs(self.closed)} of killed processes closed")
        return "; ".join(parts) or "nothing waits to be sent"


def sync(workspace: Workspace) -> Synced:
    """Deliver all runs that wait in ``.pixmill/record/``, the oldest first, and end those of killed processes.

    They go to the present ``MLFLOW_TRACKING_URI``. Where more than 100 wait still, the oldest are deleted, with a line.

    Args:
        workspace: Where the project lies.
    """
    uri, place = tracking_uri(workspace), workspace.scratch("record")
    result = Synced(shown(uri))
    quiet_mlflow()
    try:
        with filelock.FileLock(place / "lock", timeout=_LOCK_SECONDS):
            for folder in place.glob(".part-*"):
                if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(folder)
            try:
                _deliver_all(place, uri, workspace.home, result)
            finally:
                for folder in pending_folders(place)[:-_MOST]:
                    shutil.rmtree(folder)
                    sys.stderr.write(f"warning: {folder} is deleted: more than {_MOST} runs wait for MLflow\n")
    except filelock.Timeout:
        result.trouble = StoreError("is sent to by another process", next="wait for it")
    except Exception as error:  # noqa: BLE001 (backends raise what they like)
        result.trouble = (
            error if isinstance(error, StoreError) else StoreError(line_of(error), next="see docs/tracking.md")
        )
    if result.trouble is not None:
        result.waiting = {folder.name: result.trouble.message for folder in pending_folders(place)}
    return result


def _deliver_all(place: Path, uri: str, home: Path, result: Synced) -> None:
    folders = pending_folders(place)
    path = database_file(uri)
    if not folders and path is not None and not path.exists():
        return
    for folder in folders:
        # Asks again whether it answers, as it may go away meanwhile.
        client = connect(uri)
        try:
            data = RunData.load(folder)
            if data.stage == "evaluate" and any(name.endswith(f"-train-{data.weights}") for name in result.waiting):
                raise ValueError("its training is not recorded yet")
            deliver(client, data, folder, home=home)
        except Exception as error:  # noqa: BLE001 (backends raise what they like)
            result.waiting[folder.name] = line_of(error)
        else:
            shutil.rmtree(folder)
            result.sent.append(data.name or data.stage)
    result.closed = close_dead_runs(connect(uri))


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
