"""Which process writes a run, and runs whose process is dead."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["close_dead_runs", "process_tags"]

_HOST, _PID, _STARTED = "pixmill.host", "pixmill.pid", "pixmill.started"

_SAME_START = 2.0
"""Seconds by which two readings of one process' start may differ when the clock is set."""


def process_tags() -> dict[str, str]:
    """Return what names this process among all that ever ran: the host, the process id and when it began."""
    return {_HOST: _host(), _PID: str(os.getpid()), _STARTED: f"{psutil.Process().create_time():.2f}"}


def close_dead_runs(client: MlflowClient, experiment: str) -> int:
    """End the runs of this host that a killed process left RUNNING, as ``KILLED``.

    A run of another host, or without our tags, is not touched: nobody here can know whether it lives.

    Args:
        client: The store.
        experiment: The experiment's id.

    Returns:
        How many runs were ended.
    """
    running = client.search_runs(
        [experiment], filter_string=f"attributes.status = 'RUNNING' and tags.`{_HOST}` = '{_host()}'"
    )
    dead = [run for run in running if not _alive(run.data.tags)]
    for run in dead:
        client.set_terminated(run.info.run_id, status="KILLED")
    return len(dead)


def _alive(tags: dict[str, str]) -> bool:
    try:
        process = psutil.Process(int(tags[_PID]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # Another process may have been given the number of a dead one.
        return bool(abs(process.create_time() - float(tags[_STARTED])) <= _SAME_START)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _host() -> str:
    """Name this host: many machines are called ``localhost``, but few share its machine id as well."""
    machine = Path("/etc/machine-id")
    seed = machine.read_text(encoding="ascii").strip() if machine.exists() else ""
    name = socket.gethostname()
    return f"{name}-{hashlib.sha256(f'{name} {seed}'.encode()).hexdigest()[:8]}"
