"""The run of a stage: a training's, tagged with its weights, and an evaluation's, which finds it by them."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pixmill.core.workspace import Workspace
from pixmill.record.delivery import LINKED, WEIGHTS
from pixmill.record.lineage import code_tags, data_tags, process_tags, source_tags
from pixmill.record.pending import RunData
from pixmill.record.run_recorder import RunRecorder
from pixmill.record.store import quiet_mlflow


@contextlib.contextmanager
def training_run(
    workspace: Workspace,
    *,
    params: Mapping[str, Any],
    parent: str | None = None,
    name: str | None = None,
) -> Iterator[RunRecorder]:
    """Open the run of a training, and record it completely when the block succeeds.

    Within ``mlflow run`` it is the project's run (``MLFLOW_RUN_ID``), unless that already contains a training: then it
    is a new child run. Runs of this host whose process was killed are marked ``KILLED``.

    Args:
        workspace: The project's workspace.
        params: All parameters to log, flattened.
        parent: The id of a parent run, such as a sweep's; default: none.
        name: The run's name; default: the DVC experiment and the model.

    Yields:
        The run. None of its methods raises because of MLflow.
    """
    root = workspace.root
    quiet_mlflow()
    data = RunData("train", name=name or _name(params), parent=parent)
    data.origin, data.tags = source_tags("train") | process_tags(), code_tags(root) | data_tags(root)
    run = RunRecorder(workspace, data)
    run.log_params(params)
    run.log_parts({"train": "training", "val": "validation"})
    for name in ("params.yaml", "pixmill.lock"):
        run.log_file(root / name, name)
    run.open()
    with run.end_on_error(), run.watching_machine():
        yield run
    run.finish()


@contextlib.contextmanager
def evaluation_run(workspace: Workspace, *, weights: str) -> Iterator[RunRecorder]:
    """Add to the run of the training that produced the weights, when the block ends.

    The run is searched for in all experiments, newest first, regardless of ``MLFLOW_RUN_ID``, and its status does not
    change; if it is pending, it is sent first. If there is none, because the weights were pulled, a new run gets the
    same tag, and ``pixmill.linked`` with the project's run or the weights.

    Args:
        workspace: The project's workspace.
        weights: The md5 of ``artifacts/train/model.weights.h5``.

    Yields:
        The run. None of its methods raises because of MLflow.
    """
    root = workspace.root
    linked = os.environ.get("MLFLOW_RUN_ID") or f"weights:{weights}"
    data = RunData("evaluate", name="evaluation", weights=weights)
    data.origin = {WEIGHTS: weights, LINKED: linked} | source_tags("evaluate") | code_tags(root) | data_tags(root)
    run = RunRecorder(workspace, data)
    run.log_parts({"test": "testing"})
    run.log_file(root / "dvc.lock", "dvc.lock")
    with run.end_on_error():
        yield run
    run.finish()


def _name(params: Mapping[str, Any]) -> str | None:
    """Return a short name for the list of runs: ``wider-net, features efficientnet_lite0``."""
    model = params.get("train.model")
    parts = [model]
    if model in ("backbone", "features"):
        parts.append(params.get("train.backbone.name"))
    if model == "features":
        parts.append(params.get("train.features.head"))
    names = [os.environ.get("DVC_EXP_NAME"), " ".join(str(part) for part in parts if part)]
    return ", ".join(name for name in names if name) or None
