"""A project with results in Git and DVC, runs in MLflow, and models to promote."""

import json
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient

from pixmill.tracking.model_versions import Registry
from tests.experiments.compare.made_revisions import LABELS
from tests.experiments.compare.projects import record
from tests.experiments.compare.recorded import PIPELINE, TRUTH, add_run, answers, fill
from tests.version_control import commit, git, start_repository

NAME = "garments"
MISTAKES = {
    "first": 30,
    "better": 0,
    "same": 31,
    "higher": 27,
    "alike": 32,
    "worse": 90,
    "wider": 0,
    "renamed": 0,
}
"""Wrong predictions of each model on 240 test images.

All models but the first are on a branch of their name.

``alike`` is undecided and lower than the first, ``higher`` is undecided and higher.
"""

CLASSES = {"wider": (*LABELS, "hat"), "renamed": ("bag", "cap", "hat")}
"""Classes of models that do not have those of the first one."""


def start(root: Path) -> None:
    """Create the project: the first model on ``main``, others on branches of their names."""
    start_repository(root, with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text(
        "/artifacts/\n/.pixmill/\n/mlflow.db*\n/mlruns/\n/reports/\n/files/\n"
    )
    (root / "pyproject.toml").write_text(f'[project]\nname = "{NAME}"\nversion = "1"\n')
    commit(root, "Begin")
    for number, (name, wrong) in enumerate(MISTAKES.items()):
        if number:
            git(root, "switch", "-q", "-c", name, "main")
        fill(root, f"{{seed: {number}}}", predicted(name), f"weights of {name}")
        params = (root / "params.yaml").read_text().replace("draws: 1000", "draws: 200")
        (root / "params.yaml").write_text(f"{params}validate: {{}}\nsplit: {{}}\n")
        accuracy = 1 - wrong / len(TRUTH)
        figures = {
            "accuracy": accuracy,
            "accuracy_low": accuracy - 0.02,
            "accuracy_high": accuracy + 0.02,
        }
        (root / "plots" / "evaluate" / "full.json").write_text(
            json.dumps({**figures, "n": len(TRUTH)})
        )
        record(root, f"Train {name}")
    git(root, "switch", "-q", "main")


def predicted(name: str) -> pd.DataFrame:
    """Return the predictions of a model."""
    return answers(0, test=MISTAKES[name], labels=CLASSES.get(name, LABELS))


def record_runs(client: MlflowClient, files: Path) -> dict[str, str]:
    """Record a run with a model for each name, and return the ids of the runs."""
    runs = {}
    for number, name in enumerate(MISTAKES):
        weights = f"weights of {name}"
        started = number + 1
        run = add_run(
            client,
            files,
            name,
            f"{{seed: {number}}}",
            predicted(name),
            weights=weights,
            started=started,
        )
        add_model(client, run)
        runs[name] = run
    return runs


def add_model(client: MlflowClient, run: str) -> str:
    """Add a model to a run, and return its id."""
    made = client.create_logged_model("0", name="classifier", source_run_id=run)
    client.finalize_logged_model(made.model_id, "READY")
    return made.model_id


def state(registry: Registry) -> dict[str, tuple[int, str]]:
    """Return version and run name of each alias."""
    found = {}
    for alias, number in registry.aliases().items():
        version = registry.get(number)
        found[alias] = (number, registry.client.get_run(version.run).info.run_name)
    return found
