"""Run a stage: ``stages/<stage>.py`` passes the ``main`` of ``pixmill.<stage>.stage``."""

import gc
import os
import signal
import sys
from collections.abc import Callable

from pixmill.core.files.workspace import Workspace, refuse_links
from pixmill.core.files.writing import storage_errors
from pixmill.core.install.extras import name_missing_package
from pixmill.core.process.account import complete_account
from pixmill.core.process.lifetime import die_with_dvc, die_with_parent, interruptible
from pixmill.core.process.progress import encode_any_text, reporting

# Before the slow imports, during which a killed `dvc` would leave an orphan. argv[0] is `-m` while
# Python resolves the module of `-m`; a process that merely imports this package is not affected.
if sys.argv[0] == "-m":
    sys.excepthook = name_missing_package
    # Garbage collection during the imports of Great Expectations, MLflow and TensorFlow took a
    # tenth of the time.
    gc.set_threshold(50_000, 20, 20)
    die_with_parent()
    die_with_dvc()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C during the imports ends the stage without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

from pixmill.core.errors import PixmillError
from pixmill.core.params import Params, load_params
from pixmill.core.provenance.lock import check_stage
from pixmill.core.repository.restoring import put_back_results

__all__ = ["run"]

_SWITCHES = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "SE_AVOID_STATS", "SE_OFFLINE")
_DEFAULTS = {
    **dict.fromkeys(_SWITCHES, "true"),
    "GX_ANALYTICS_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
"""Environment defaults: no telemetry, little logging."""


def run(stage: str, main: Callable[[Workspace, Params], None]) -> None:
    """Run a stage under its lock, and turn errors and signals into messages.

    Args:
        stage: The stage's name.
        main: The stage's function.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    encode_any_text()
    complete_account()
    workspace = Workspace.current()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = f"{stage}: interrupted; finished work is kept. To resume: dvc repro"
    try:
        refuse_links(workspace.home)
        with (
            interruptible(ended),
            storage_errors(then=f"dvc repro {stage} (finished work is kept)"),
            workspace.lock(stage),
            reporting(stage, workspace.root, workspace.scratch("progress")),
        ):
            try:
                check_stage(workspace.root, stage)
                params = load_params(workspace.root)
                workspace.sweep(stage)
                main(workspace, params)
            except (
                BaseException
            ):  # Ctrl-C and defects, too: nothing of the last run may be missing afterwards.
                # While the lock is held: another process of the stage may be writing.
                put_back_results(workspace.root, stage)
                raise
    except PixmillError as error:
        sys.exit(f"{stage}: {error}")
