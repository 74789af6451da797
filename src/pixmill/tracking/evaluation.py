"""The run that an evaluation belongs to, found again by the weights it produced."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pixmill.tracking.environment import settled
from pixmill.tracking.lineage import code_tags, data_tags
from pixmill.tracking.run import Run
from pixmill.tracking.store import WEIGHTS, experiment_id, find_by_weights, tracking_uri
from pixmill.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["evaluation_run"]


@contextlib.contextmanager
def evaluation_run(workspace: Workspace, *, weights: str) -> Iterator[Run]:
    """Open the run of the training that produced some weights, and leave its state as it is.

    The run is looked for in all experiments, newest first, before and in spite of ``MLFLOW_RUN_ID``. Who pulled the
    weights may have no such run: then a new one is opened, with the same tag, and ``pixmill.linked`` that names the
    project's run or says by what it is linked.

    Args:
        workspace: Where the project lies.
        weights: The md5 of ``artifacts/train/model.weights.h5``.

    Yields:
        What takes the records. Nothing of it raises because of MLflow.
    """
    created = False

    def begin(client: MlflowClient) -> str:
        nonlocal created
        if found := find_by_weights(client, weights):
            return str(found.info.run_id)
        tags = {
            "mlflow.source.name": "stages/evaluate.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": getpass.getuser(),
            WEIGHTS: weights,
            "pixmill.linked": os.environ.get("MLFLOW_RUN_ID") or f"weights:{weights}",
            **code_tags(workspace.root),
            **data_tags(workspace.root),
        }
        created = True
        return str(client.create_run(experiment_id(client, workspace), tags=tags, run_name="evaluation").info.run_id)

    with settled():
        run = Run(tracking_uri(workspace), begin, again="dvc repro -s -f evaluate")
        status = "FAILED"
        try:
            run.start()
            yield run
            status = "FINISHED"
        finally:
            if created:
                run.finish(status)
            run.close()
