"""A sweep in MLflow: a parent run, and a child run for each trial."""

import json
import uuid

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import significant, write_text
from pixmill.experiments.compare.recorded_sweeps import SWEEP_FILE
from pixmill.experiments.sweep.outcome import Outcome
from pixmill.experiments.sweep.planning import Plan, open_trials
from pixmill.experiments.sweep.report import headline, sweep_json
from pixmill.experiments.sweep.trial_store import SweepTrial, TrialStore
from pixmill.tracking.delivery import RunData
from pixmill.tracking.run_recorder import MAX_VALUE_CHARACTERS
from pixmill.tracking.stage_runs import sweep_run


def record(workspace: Workspace, found: Outcome, page: str) -> None:
    """Record a sweep with all of its trials; those that an earlier process recorded stay as they are.

    Args:
        workspace: The project's workspace.
        found: What it found.
        page: ``reports/sweep.html``.
    """
    plan, best, store = found.plan, found.best, open_trials(workspace, found.plan)
    settings = plan.settings.model_dump(mode="json", exclude={"trials", "space"}) | {"metric": plan.metric}
    params = {f"sweep.{key}": value for key, value in settings.items()}
    params |= {f"sweep.space.{key}": values for key, values in _spelt(plan).items()}
    with sweep_run(workspace, name=f"sweep, {plan.params.train.model}", study=_sweep_id(store), params=params) as run:
        run.data.children += [as_run(plan, trial) for trial in found.trials]
        run.log_metrics({f"trial_{plan.metric}": best.value, "trials": float(len(found.trials))})
        if found.expected:
            expected = found.expected
            run.log_metrics({"expected": expected.value, "expected_low": expected.low, "expected_high": expected.high})
        run.describe(headline(found))
        run.log_text(page, "reports/sweep.html")
        run.log_text(sweep_json(found), SWEEP_FILE)
    store.set_recorded(len(found.trials))


def as_run(plan: Plan, trial: SweepTrial) -> RunData:
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
        # The curves have names such as val_accuracy.
        data.points.append([f"trial_{plan.metric}", trial.value, data.ended, 0])
    data.points.append(["seconds", trial.seconds, data.ended, 0])
    data.status = "FAILED" if trial.state == "failed" else "FINISHED"
    return data


def _spelt(plan: Plan) -> dict[str, str]:
    return {
        name: json.dumps(significant(values.model_dump() if not isinstance(values, tuple) else list(values)))
        for name, values in plan.space.items()
    }


def _sweep_id(store: TrialStore) -> str:
    """Return what is the same for all processes that work on a sweep, and differs from other clones'."""
    path = store.folder / "id"
    if not path.exists():
        write_text(path, uuid.uuid4().hex)
    return path.read_text()
