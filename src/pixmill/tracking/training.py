"""The run of a training: opened with all that it stands on, ended with the weights it produced."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pixmill.tracking.environment import settled
from pixmill.tracking.lineage import code_tags, data_hashes, data_tags
from pixmill.tracking.process import close_dead_runs, process_tags
from pixmill.tracking.run import Run
from pixmill.tracking.store import experiment_id, tracking_uri
from pixmill.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["training_run"]

_TRAINED_BEFORE = "train."
"""Prefix of the parameters by which a run is known to hold a training already."""


@contextlib.contextmanager
def training_run(workspace: Workspace, *, params: Mapping[str, Any], dataset: str) -> Iterator[Run]:
    """Open the run of a training, and end it as the block ends.

    Within ``mlflow run`` it is the project's run (``MLFLOW_RUN_ID``), unless that holds a training already: then a new
    run beneath it. Runs of this host whose process was killed are ended as ``KILLED``.

    Args:
        workspace: Where the project lies.
        params: All parameters that matter, flattened.
        dataset: The folder that is trained on, relative to the project's; DVC's hash of it is recorded.

    Yields:
        What takes the records. Nothing of it raises because of MLflow.
    """
    joined = False

    def begin(client: MlflowClient) -> str:
        nonlocal joined
        given = os.environ.get("MLFLOW_RUN_ID")
        project = client.get_run(given) if given else None
        if project and not any(name.startswith(_TRAINED_BEFORE) for name in project.data.params):
            joined = True
            return str(project.info.run_id)
        experiment = project.info.experiment_id if project else experiment_id(client, workspace)
        close_dead_runs(client, experiment)
        tags = {
            "mlflow.source.name": "stages/train.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": getpass.getuser(),
            **process_tags(),
            **({"mlflow.parentRunId": given} if given else {}),
        }
        run = client.create_run(experiment, tags=tags, run_name=os.environ.get("DVC_EXP_NAME"))
        return str(run.info.run_id)

    with settled():
        run = Run(tracking_uri(workspace), begin, again="dvc repro -s -f train evaluate")
        status = "FAILED"
        try:
            run.start()
            run.set_tags({**code_tags(workspace.root), **data_tags(workspace.root)})
            run.log_params(params)
            run.log_dataset(dataset, data_hashes(workspace.root).get(dataset))
            yield run
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            if not joined:
                # The project's run is ended by `mlflow run`, which knows how the other stages went.
                run.finish(status)
            run.close()
