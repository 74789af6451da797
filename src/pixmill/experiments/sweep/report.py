"""The outcome of a sweep as terminal text, JSON, and the page ``reports/sweep.html``."""

import json
from dataclasses import asdict

from pixmill.core.files.writing import significant
from pixmill.core.params.reference import plain
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.ranking import RankedModel, Ranking
from pixmill.experiments.compare.ranking_report import page_content
from pixmill.experiments.sweep.outcome import Outcome
from pixmill.experiments.sweep.planning import Plan
from pixmill.experiments.sweep.space import current_values
from pixmill.pages import render_page
from pixmill.pages.text import render_sentence, render_text

_MAX_ROWS = 10
"""Trials in the terminal's table."""


def headline(found: Outcome) -> str:
    """Return a sentence with the best trial and the number of trials that may be as good."""
    metric = METRIC_NAMES[found.metric]
    return render_sentence("pixmill.experiments.sweep", "headline.txt", found=found, metric=metric)


def sweep_text(found: Outcome) -> str:
    """Return the result and the best trials as plain text."""
    names = sorted({name for row in found.rows for name in row.params})

    def values(row: RankedModel) -> list[str]:
        return [plain(significant(row.params[name])) if name in row.params else "" for name in names]

    return render_text(
        "pixmill.experiments.sweep",
        "result.txt",
        width=160,
        found=found,
        metric=METRIC_NAMES[found.metric],
        most=_MAX_ROWS,
        short_names=[name.rpartition(".")[2] for name in names],
        values=values,
    )


def sweep_json(found: Outcome) -> str:
    """Return one JSON object, described in ``docs/sweep.md``: six significant digits, never NaN."""
    expected = found.expected
    worse = {row.model.name: row.gap.worse for row in found.rows if row.gap}
    document = {
        "metric": found.metric,
        "folds": found.folds,
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
    return json.dumps(significant(document), indent=2, allow_nan=False, ensure_ascii=False)


def render_sweep(found: Outcome) -> str:
    """Return the page ``reports/sweep.html``."""
    ranking = Ranking(found.metric, found.confidence, found.rows, (), None, False, 0, ())
    return render_page(
        "pixmill.experiments.sweep",
        "page.html",
        script="pixmill.experiments.compare/ranking.js",
        found=found,
        **page_content(ranking),
    )


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
