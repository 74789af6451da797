"""Record a sweep in MLflow: a parent run, and a child run for each trial."""

import json
import uuid
from pathlib import Path

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import significant, write_text
from pixmill.experiments.compare.recorded_sweeps import SWEEP_FILE
from pixmill.experiments.sweep.outcome import Outcome
from pixmill.experiments.sweep.planning import Plan, open_trials
from pixmill.experiments.sweep.report import headline, sweep_json
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.tracking.delivery import RunData
from pixmill.tracking.run_recorder import MAX_VALUE_CHARACTERS
from pixmill.tracking.stage_runs import sweep_run


def record(workspace: Workspace, plan: Plan, found: Outcome, page: str) -> None:
    """Record a sweep with all its trials; runs of trials that exist already are not changed.

    Args:
        workspace: Workspace of the project.
        plan: The plan of the sweep.
        found: The outcome of the sweep.
        page: HTML of ``reports/sweep.html``.
    """
    store, metric = open_trials(workspace, plan), plan.metric
    settings = plan.settings.model_dump(mode="json", exclude={"trials", "space"}) | {"metric": metric}
    params = {f"sweep.{key}": value for key, value in settings.items()}
    for name, values in plan.space.items():
        content = list(values) if isinstance(values, tuple) else values.model_dump()
        params[f"sweep.space.{name}"] = json.dumps(significant(content))
    model, study = plan.params.train.model, _sweep_id(store.folder)
    with sweep_run(workspace, name=f"sweep, {model}", study=study, params=params) as run:
        run.data.children += [as_run(trial, metric) for trial in found.trials]
        run.log_metrics({f"trial_{metric}": found.best.value, "trials": float(len(found.trials))})
        if found.expected:
            expected = found.expected
            run.log_metrics({"expected": expected.value, "expected_low": expected.low, "expected_high": expected.high})
        run.describe(headline(found))
        run.log_text(page, "reports/sweep.html")
        run.log_text(sweep_json(found), SWEEP_FILE)
    store.set_recorded(len(found.trials))


def as_run(trial: SweepTrial, metric: str) -> RunData:
    """Return the child run of a trial: its values, its curves, and its metric on validation."""
    data = RunData("train", started=trial.started, name=trial.name)
    data.tags = {"pixmill.trial": trial.state, **({"mlflow.note.content": trial.reason} if trial.reason else {})}
    data.params = {
        name: (json.dumps(value) if isinstance(value, list | dict) else str(value))[:MAX_VALUE_CHARACTERS]
        for name, value in trial.values.items()
    }
    for curve in trial.curves:
        figures = {name: value for name, value in curve.items() if name not in ("epoch", "ended")}
        data.points += [
            [name, float(value), int(curve["ended"]), int(curve["epoch"])] for name, value in figures.items()
        ]
    data.ended = trial.started + int(1000 * trial.seconds)
    if trial.value is not None:
        data.points.append([f"trial_{metric}", trial.value, data.ended, 0])
    data.points.append(["seconds", trial.seconds, data.ended, 0])
    data.status = "FAILED" if trial.state == "failed" else "FINISHED"
    return data


def _sweep_id(folder: Path) -> str:
    """Return the id of a sweep, shared by all processes of this clone and unique among clones."""
    path = folder / "id"
    if not path.exists():
        write_text(path, uuid.uuid4().hex)
    return path.read_text()
