"""The outcome of a sweep as terminal text, JSON, page, and runs in MLflow."""

import json
import uuid
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import json_text, significant, write_text
from pixmill.core.params.reference import plain
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.ranking import RankedModel, Ranking
from pixmill.experiments.compare.ranking_report import page_content
from pixmill.experiments.sweep.outcome import Outcome
from pixmill.experiments.sweep.planning import Plan, open_trials
from pixmill.experiments.sweep.space import current_values
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.pages import render_page, scatter_svg
from pixmill.pages.page import render_sentence, render_text
from pixmill.tracking.delivery import RunData
from pixmill.tracking.run_recorder import MAX_VALUE_CHARACTERS
from pixmill.tracking.stage_runs import sweep_run

_MAX_ROWS = 10
"""Trials in the terminal's table."""


def headline(found: Outcome) -> str:
    """Return a sentence with the best trial and the number of trials that may be as good."""
    metric = METRIC_NAMES[found.plan.metric]
    return render_sentence("pixmill.experiments.sweep", "headline.txt", found=found, metric=metric)


def sweep_text(found: Outcome) -> str:
    """Return the result and the best trials as plain text."""
    names = sorted({name for row in found.rows for name in row.params})

    def values(row: RankedModel) -> list[str]:
        return [
            plain(significant(row.params[name])) if name in row.params else "" for name in names
        ]

    return render_text(
        "pixmill.experiments.sweep",
        "result.txt",
        width=160,
        found=found,
        metric=METRIC_NAMES[found.plan.metric],
        most=_MAX_ROWS,
        short_names=[name.rpartition(".")[2] for name in names],
        values=values,
    )


def sweep_json(found: Outcome) -> str:
    """Return one JSON object, described in ``docs/reference/json.md``."""
    expected = found.expected
    worse = {row.model.name: row.gap.worse for row in found.rows if row.gap}
    document = {
        "metric": found.plan.metric,
        "folds": found.plan.settings.folds,
        "images": found.images,
        "summary": headline(found),
        "best": found.best.number,
        "expected": expected and asdict(expected),
        "order": [trial.number for trial in found.complete],
        "trials": [
            {
                "number": trial.number,
                "state": trial.state,
                "params": dict(trial.values),
                "value": trial.value,
                "worse": worse.get(trial.name),
                "seconds": trial.seconds,
                "reason": trial.reason,
            }
            for trial in found.trials
        ],
    }
    return json_text(document)


def render_sweep(found: Outcome, root: Path | None = None) -> str:
    """Return the page ``reports/sweep.html``.

    Args:
        found: The outcome of the sweep.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    ranking = Ranking(
        found.plan.metric, found.plan.params.evaluate.confidence, found.rows, (), None, False, 0, ()
    )
    return render_page(
        "pixmill.experiments.sweep",
        "page.html",
        root=root,
        script="pixmill.experiments.compare/ranking.js",
        found=found,
        charts=_charts(found),
        **page_content(ranking),
    )


def _charts(found: Outcome) -> list[tuple[str, Markup]]:
    """Return each param that differs, with a chart of the metric over its values."""
    charts = []
    metric = METRIC_NAMES[found.plan.metric]
    for name in found.complete[0].values:
        # Without a value, the default depends on other params, so it has no place on the axis.
        pairs = [
            (trial.values[name], trial.value)
            for trial in found.complete
            if trial.values[name] is not None and trial.value is not None
        ]
        values = [value for value, _ in pairs]
        are_numbers = all(type(value) in (int, float) for value in values)
        shown = values if are_numbers else [plain(value) for value in values]
        if len(set(shown)) > 1:
            heights = [height for _, height in pairs]
            title = f"{metric} by {name}"
            marked = None if found.best.values[name] is None else 0
            charts.append((name, scatter_svg(shown, heights, name=title, marked=marked)))
    return charts


def describe_plan(plan: Plan, finished: int) -> str:
    """Return the plan of a sweep as text, for ``--show``.

    Args:
        plan: The plan of the sweep.
        finished: Number of finished trials.
    """
    return render_text(
        "pixmill.experiments.sweep",
        "plan.txt",
        width=120,
        plan=plan,
        finished=finished,
        metric=METRIC_NAMES[plan.metric],
        now=current_values(plan.params, plan.space),
    )


def record(workspace: Workspace, found: Outcome, page: str) -> None:
    """Record a sweep with all its trials; runs of trials that exist already are not changed.

    Args:
        workspace: Workspace of the project.
        found: The outcome of the sweep.
        page: HTML of ``reports/sweep.html``.
    """
    plan = found.plan
    store = open_trials(workspace, plan)
    metric = plan.metric
    settings = plan.settings.model_dump(mode="json", exclude={"trials", "space"}) | {
        "metric": metric
    }
    params = {f"sweep.{key}": value for key, value in settings.items()}
    for name, values in plan.space.items():
        content = list(values) if isinstance(values, tuple) else values.model_dump()
        params[f"sweep.space.{name}"] = json.dumps(significant(content))
    model = plan.params.train.model
    study = _sweep_id(store.folder)
    with sweep_run(workspace, name=f"sweep, {model}", study=study, params=params) as run:
        run.data.children += [as_run(trial, metric) for trial in found.trials]
        run.log_metrics({f"trial_{metric}": found.best.value, "trials": float(len(found.trials))})
        if found.expected:
            expected = found.expected
            run.log_metrics(
                {
                    "expected": expected.value,
                    "expected_low": expected.low,
                    "expected_high": expected.high,
                }
            )
        run.describe(headline(found))
        run.log_text(page, "reports/sweep.html")
        run.log_text(sweep_json(found), "sweep.json")
    store.set_recorded(len(found.trials))


def as_run(trial: SweepTrial, metric: str) -> RunData:
    """Return the child run of a trial: its values, its curves, and its metric on validation."""
    data = RunData("train", started=trial.started, name=trial.name)
    data.tags = {
        "pixmill.trial": trial.state,
        **({"mlflow.note.content": trial.reason} if trial.reason else {}),
    }
    data.params = {
        name: (json.dumps(value) if isinstance(value, list | dict) else str(value))[
            :MAX_VALUE_CHARACTERS
        ]
        for name, value in trial.values.items()
    }
    for curve in trial.curves:
        figures = {name: value for name, value in curve.items() if name not in ("epoch", "ended")}
        data.points += [
            [name, float(value), int(curve["ended"]), int(curve["epoch"])]
            for name, value in figures.items()
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
