"""The entry points of the five stages, each run as ``python -m stages.<stage>`` from the project's folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# A temporary copy made by `dvc exp run --temp` must run its own code, not that of an installed workspace.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from pixmill.core.files import storage_errors
from pixmill.core.process import die_with_dvc, die_with_parent, interruptible
from pixmill.core.workspace import Workspace

# Before the slow imports, in which a killed `dvc` would leave an orphan. While Python looks for the module that `-m`
# names, argv[0] is `-m`; whoever merely imports this package keeps its own ways.
if sys.argv[0] == "-m":
    die_with_parent()
    die_with_dvc()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C during the imports ends the stage without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

from pixmill.core.errors import PixmillError
from pixmill.core.params import Params, load_params

__all__ = ["run"]

_TRUE = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "SE_AVOID_STATS", "SE_OFFLINE")
_QUIET = {**dict.fromkeys(_TRUE, "true"), "GX_ANALYTICS_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "2"}
"""Disable telemetry and reduce log output, unless the environment sets it."""


def run(stage: str, main: Callable[[Workspace, Params], None], *, writes: Callable[[], bool] = lambda: True) -> None:
    """Run a stage: check the params, hold the lock, and turn errors and signals into messages.

    Args:
        stage: Its name.
        main: What it does.
        writes: Whether this process writes outputs; one that does not needs no lock. Default: it does.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    workspace = Workspace.current()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = f"{stage}: ended; finished work is kept. To go on: dvc repro"
    try:
        with interruptible(ended), storage_errors(then=f"dvc repro {stage}"):
            params = load_params(workspace.root)
            if not writes():
                return main(workspace, params)
            with workspace.lock(stage):
                workspace.sweep(stage)
                main(workspace, params)
    except PixmillError as error:
        sys.exit(f"{stage}: {error}")
