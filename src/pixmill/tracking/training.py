"""The run of a training: opened with all that it stands on, ended with the weights it produced."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pixmill.tracking.book import Book
from pixmill.tracking.environment import settled
from pixmill.tracking.lineage import code_tags, data_hashes, data_tags, pictures_in
from pixmill.tracking.opening import opening
from pixmill.tracking.process import process_tags
from pixmill.tracking.run import Run
from pixmill.tracking.store import tracking_uri
from pixmill.tracking.system import watching
from pixmill.workspace import Workspace

__all__ = ["training_run"]


@contextlib.contextmanager
def training_run(
    workspace: Workspace,
    *,
    params: Mapping[str, Any],
    dataset: str,
    parent: str | None = None,
    name: str | None = None,
) -> Iterator[Run]:
    """Open the run of a training, and end it as the block ends.

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
    with settled():
        begun = opening(
            "train",
            process_tags(),
            name=name or _name(params),
            parent=parent,
            project=os.environ.get("MLFLOW_RUN_ID"),
        )
        run = Run(Book(workspace.scratch("tracking"), tracking_uri(workspace), home=workspace.home, opening=begun))
        status = "FAILED"
        try:
            run.start()
            run.set_tags({**code_tags(root), **data_tags(root)})
            run.log_params(params)
            digest = data_hashes(root).get(dataset)
            for part, context in (("train", "training"), ("val", "validation")):
                folder = f"{dataset}/{part}"
                run.log_dataset(folder, digest, context=context, pictures=pictures_in(root / folder))
            run.log_file(root / "params.yaml", "params.yaml")
            with watching(lambda figures, step: run.log_metrics(figures, step=step), wanted=lambda: not run.away):
                yield run
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            run.finish(status)
            run.close()


def _name(params: Mapping[str, Any]) -> str | None:
    """Return what tells this run in a list, whose column is narrow: ``wider-net, features efficientnet_lite0``."""
    model = params.get("train.model")
    words = [str(model)] if model else []
    if model in ("backbone", "features"):
        words.append(str(params.get("train.backbone.name", "")))
    if model == "features":
        words.append(str(params.get("train.features.head", "")))
    parts = [os.environ.get("DVC_EXP_NAME", ""), " ".join(filter(None, words))]
    return ", ".join(filter(None, parts)) or None
