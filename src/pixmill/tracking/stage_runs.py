"""The runs of train, sweep and evaluate; evaluate adds to the run of its training."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pixmill.core.cells import yes_labels
from pixmill.core.files.workspace import Workspace
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import Params, TrainParams, flat
from pixmill.tracking.delivery import LINKED, RESOLVED, SWEEP, WEIGHTS, RunData
from pixmill.tracking.lineage import code_tags, data_hashes, data_tags, source_tags
from pixmill.tracking.run_recorder import RunRecorder
from pixmill.tracking.store import quiet_mlflow, tracking_uri

_CONTEXTS = {"train": "training", "val": "validation", "test": "testing"}
"""MLflow's tag of a dataset, by split."""


@contextlib.contextmanager
def training_run(workspace: Workspace, *, params: Params) -> Iterator[RunRecorder]:
    """Record the run of a training when the block succeeds.

    Within ``mlflow run`` it is a child of the project's run.

    Args:
        workspace: The project's workspace.
        params: Those of the project; the run's parameters are the keys that ``params.yaml`` lists,
            and all are in the run's file ``params.json``.

    Yields:
        The run. None of its methods raises because of MLflow.
    """
    root = workspace.root
    tracking_uri(workspace)  # before the training, since the folder may be refused
    quiet_mlflow()
    data = RunData("train", name=_name(params.train))
    data.origin = source_tags("train")
    data.tags = code_tags(root) | data_tags(root)
    data.datasets = _datasets(root)
    run = RunRecorder(workspace, data)
    run.log_params(_listed(params))
    resolved = params.model_dump(mode="json", by_alias=True)
    run.log_text(
        json.dumps(resolved, ensure_ascii=False, indent=1, sort_keys=True) + "\n", RESOLVED
    )
    for name in ("params.yaml", "pixmill.lock"):
        run.log_file(root / name, name)
    yield run
    run.finish()


@contextlib.contextmanager
def sweep_run(
    workspace: Workspace, *, name: str, study: str, params: Mapping[str, Any]
) -> Iterator[RunRecorder]:
    """Record the parent run of a sweep's trials when the block ends; a resumed sweep keeps its run.

    Args:
        workspace: The project's workspace.
        name: The run's name.
        study: Id that all processes of the sweep share.
        params: Settings of the sweep, flattened.

    Yields:
        The run. None of its methods raises because of MLflow.
    """
    root = workspace.root
    quiet_mlflow()
    data = RunData("sweep", name=name)
    data.origin = {**source_tags("train"), "mlflow.source.name": "pixmill sweep"}
    data.tags = {SWEEP: study} | code_tags(root) | data_tags(root)
    run = RunRecorder(workspace, data)
    run.log_params(params)
    run.log_file(root / "params.yaml", "params.yaml")
    yield run
    run.finish()


@contextlib.contextmanager
def evaluation_run(workspace: Workspace, *, weights: str) -> Iterator[RunRecorder]:
    """Add to the run of the training that produced the weights, when the block ends.

    The run is searched for in all experiments, newest first, and its status does not change; if it
    is pending, it is sent first. If there is none, because the weights were pulled, a new run gets
    the same tag, and ``pixmill.linked``.

    Args:
        workspace: The project's workspace.
        weights: The md5 of ``artifacts/train/model.weights.h5``.

    Yields:
        The run. None of its methods raises because of MLflow.
    """
    root = workspace.root
    data = RunData("evaluate", name="evaluation", weights=weights)
    data.origin = (
        {WEIGHTS: weights, LINKED: weights}
        | source_tags("evaluate")
        | code_tags(root)
        | data_tags(root)
    )
    run = RunRecorder(workspace, data)
    run.log_file(root / "dvc.lock", "dvc.lock")
    yield run
    run.finish()


def _datasets(root: Path) -> list[list[str]]:
    """Return the splits for MLflow's column of datasets; empty if DVC has no hash of them.

    Each is its name, DVC's hash of all splits, by which ``dvc.lock`` names the version, its
    context, and its profile (JSON: the number of images, also of each class).

    Args:
        root: The project's folder.

    Raises:
        ManifestError: The manifest of the splits is missing or malformed.
    """
    digest = data_hashes(root).get("artifacts/split")
    if digest is None:
        return []
    rows = read_table(
        root / "artifacts/split/manifest.parquet", SPLIT, stage="split", columns=["split", "label"]
    )
    datasets = []
    for name, context in _CONTEXTS.items():
        labels = rows.loc[rows["split"] == name, "label"]
        counts = labels.map(yes_labels).explode().value_counts().sort_index()
        profile = {"images": len(labels), **counts.add_prefix("images of ")}
        datasets.append([name, digest, context, json.dumps(profile, default=int)])
    return datasets


def _listed(params: Params) -> dict[str, Any]:
    """Return the params that ``params.yaml`` lists, flattened; each other has its default."""
    listed = flat(params.model_dump(by_alias=True, exclude_unset=True))
    # A section that is listed as empty ({}) is not a param.
    return {name: value for name, value in flat(params).items() if name in listed}


def _name(params: TrainParams) -> str:
    """Return a short name for the list of runs: ``wider-net, features efficientnet_lite0``."""
    return ", ".join(filter(None, (os.environ.get("DVC_EXP_NAME"), params.kind.title)))
