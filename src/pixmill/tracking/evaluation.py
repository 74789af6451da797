"""The run that an evaluation belongs to, found again by the weights it produced."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from pixmill.tracking.book import Book
from pixmill.tracking.environment import settled
from pixmill.tracking.lineage import code_tags, data_hashes, data_tags, pictures_in
from pixmill.tracking.opening import opening
from pixmill.tracking.run import Run
from pixmill.tracking.store import WEIGHTS, tracking_uri
from pixmill.workspace import Workspace

__all__ = ["evaluation_run"]


@contextlib.contextmanager
def evaluation_run(workspace: Workspace, *, weights: str, dataset: str = "artifacts/split") -> Iterator[Run]:
    """Open the run of the training that produced some weights, and leave its state as it is.

    The run is looked for in all experiments, newest first, before and in spite of ``MLFLOW_RUN_ID``; where it waits in
    this project's spool, it is sent first. Who pulled the weights may have no such run: then a new one is opened, with
    the same tag, and ``pixmill.linked`` that names the project's run or says by what it is linked.

    Args:
        workspace: Where the project lies.
        weights: The md5 of ``artifacts/train/model.weights.h5``.
        dataset: The folder whose test part is evaluated, relative to the project's.

    Yields:
        What takes the records. Nothing of it raises because of MLflow.
    """
    root = workspace.root
    with settled():
        linked = os.environ.get("MLFLOW_RUN_ID") or f"weights:{weights}"
        tags = {WEIGHTS: weights, "pixmill.linked": linked, **code_tags(root), **data_tags(root)}
        begun = opening("evaluate", tags, name="evaluation", weights=weights)
        place = workspace.scratch("tracking")
        run = Run(Book(place, tracking_uri(workspace), home=workspace.home, opening=begun, older_first=True))
        status = "FAILED"
        try:
            run.start()
            folder = f"{dataset}/test"
            digest = data_hashes(root).get(dataset)
            run.log_dataset(folder, digest, context="testing", pictures=pictures_in(root / folder))
            run.log_file(root / "dvc.lock", "dvc.lock")
            yield run
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            run.finish(status)
            run.close()
