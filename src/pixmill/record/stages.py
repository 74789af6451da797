"""The run of a stage: a training's, ended with the weights it produced, and an evaluation's, found by them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pixmill.core.workspace import Workspace
from pixmill.record.delivery import LINKED, WEIGHTS
from pixmill.record.lineage import code_tags, data_tags, process_tags, source_tags
from pixmill.record.pending import RunData
from pixmill.record.run import Run
from pixmill.record.store import quiet_mlflow

__all__ = ["evaluation_run", "training_run"]


@contextlib.contextmanager
def training_run(
    workspace: Workspace,
    *,
    params: Mapping[str, Any],
    dataset: str,
    parent: str | None = None,
    name: str | None = None,
) -> Iterator[Run]:
    """Open the run of a training, and record it whole when the block has ended well.

    Within ``mlflow run`` it is the project's run (``MLFLOW_RUN_ID``), unless that holds a training already: then a new
    run beneath it. Runs of this host whose process was killed are ended as ``KILLED``.

    Args:
        workspace: Where the project lies.
        params: All parameters that matter, flattened.
        dataset: The folder that is trained on, relative to the project's; its parts and DVC's hash of it are recorded.
        parent: The id of a run that this one lies beneath, such as a sweep's; default: none.
        name: The run's name; default: the experiment of DVC, and the model.

    Yields:
        What takes the records. Nothing of it raises because of MLflow.
    """
    root = workspace.root
    quiet_mlflow()
    data = RunData("train", name=name or _name(params), parent=parent)
    data.origin, data.tags = source_tags("train") | process_tags(), code_tags(root) | data_tags(root)
    run = Run(workspace, data)
    run.log_params(params)
    run.log_parts(dataset, {"train": "training", "val": "validation"})
    run.log_file(root / "params.yaml", "params.yaml")
    run.open()
    with run.ending(), run.watching_machine():
        yield run
    run.finish()


@contextlib.contextmanager
def evaluation_run(workspace: Workspace, *, weights: str, dataset: str = "artifacts/split") -> Iterator[Run]:
    """Add to the run of the training that produced some weights, once the block has ended.

    The run is looked for in all experiments, newest first, before and in spite of ``MLFLOW_RUN_ID``, and its state is
    left as it is; where it waits here, it is sent first. Who pulled the weights may have no such run: then a new one is
    made, with the same tag, and ``pixmill.linked`` that names the project's run or says by what it is linked.

    Args:
        workspace: Where the project lies.
        weights: The md5 of ``artifacts/train/model.weights.h5``.
        dataset: The folder whose test part is evaluated, relative to the project's.

    Yields:
        What takes the records. Nothing of it raises because of MLflow.
    """
    root = workspace.root
    linked = os.environ.get("MLFLOW_RUN_ID") or f"weights:{weights}"
    data = RunData("evaluate", name="evaluation", weights=weights)
    data.origin = {WEIGHTS: weights, LINKED: linked} | source_tags("evaluate") | code_tags(root) | data_tags(root)
    run = Run(workspace, data)
    run.log_parts(dataset, {"test": "testing"})
    run.log_file(root / "dvc.lock", "dvc.lock")
    with run.ending():
        yield run
    run.finish()


def _name(params: Mapping[str, Any]) -> str | None:
    """Return what tells this run in a list, whose column is narrow: ``wider-net, features efficientnet_lite0``."""
    model = params.get("train.model")
    parts = [model]
    if model in ("backbone", "features"):
        parts.append(params.get("train.backbone.name"))
    if model == "features":
        parts.append(params.get("train.features.head"))
    names = [os.environ.get("DVC_EXP_NAME"), " ".join(str(part) for part in parts if part)]
    return ", ".join(name for name in names if name) or None
