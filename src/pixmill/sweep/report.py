"""A sweep as text for a terminal, as JSON, and as the page ``reports/sweep.html``."""

import itertools
import json
from dataclasses import asdict
from typing import Any

from pixmill.compare.description import ComparisonTable
from pixmill.compare.numbers import METRIC_NAMES
from pixmill.compare.ranking import Ranking
from pixmill.compare.ranking_report import cells, format_value, page_content
from pixmill.compare.text import draw_table
from pixmill.core.files import significant
from pixmill.core.params import RangeParams
from pixmill.core.words import count, join_names
from pixmill.pages.base import render_page
from pixmill.pages.base.chart import points_svg
from pixmill.sweep.outcome import Outcome
from pixmill.sweep.planning import Plan
from pixmill.sweep.space import combinations, current_values

_SHOWN = 10
"""Trials that the terminal shows."""

_SLICES = 8
"""Params whose values are drawn against the metric."""


def next_step(found: Outcome) -> str:
    """Return what becomes of ``params.yaml``."""
    take, current = f"To take {found.best.name}: {found.plan.command} --apply && dvc repro", found.current
    if current is None:
        return take
    if current.model.name == found.best.name:
        return "params.yaml has the values of the best trial: keep them."
    now = f"params.yaml as it is, {current.model.name}, has {current.value:.3f}"
    if current.gap is not None and current.gap.worse:
        return f"{now}, which is significantly worse. {take}"
    return f"{now}, which cannot be told from the best: you may keep it. {take}"


def headline(found: Outcome) -> str:
    """Return which trial is the best, and how many others may be as good."""
    best, name, others = found.best, METRIC_NAMES[found.plan.metric], len(found.rows) - 1
    where = f"in {found.plan.settings.folds}-fold cross-validation" if found.plan.settings.folds else "on validation"
    of = f"Of {len(found.trials):,} trials, {best.name}" if len(found.trials) > 1 else best.name.capitalize()
    sentence = f"{of} has the best {name} {where}, {best.value:.3f}"
    if others:
        told = f"{found.undecided:,} of the other {others:,} cannot be told from it"
        if found.undecided in (0, others):
            told = "all others are significantly worse" if not found.undecided else "no other can be told from it"
        sentence += f"; {told}"
    return f"{sentence}."


def expectation(found: Outcome) -> str | None:
    """Return what to expect of the best; ``None`` where there is nothing to say."""
    expected, best = found.expected, found.best
    if expected is None:
        few = "What to expect of it cannot be estimated: a class has too few images."
        return None if len(found.rows) < 2 or found.plan.metric == "ece" else few
    level = f"{100 * found.plan.params.evaluate.confidence:g} %"
    sign = -1 if found.plan.lower_is_better else 1
    what = f"about {expected.value:.3f} ({level} CI {expected.low:.3f} to {expected.high:.3f}) on new images"
    if sign * expected.value >= sign * (best.value or 0):
        return f"Expect {what}."
    return f"As the best of {len(found.rows)} it is partly luck: expect {what}, not {best.value:.3f}."


def sweep_text(found: Outcome) -> str:
    """Return the result and the best trials as plain text."""
    lines = [headline(found), *filter(None, [expectation(found)])]
    lines += [f"{text}." for text in _ended(found)]
    names = sorted({name for row in found.rows for name in row.params})
    headings = ("trial", f"{METRIC_NAMES[found.plan.metric]} (CI)", "difference", "", "seconds", *map(_short, names))
    current = found.current
    table = [
        (
            row.model.name.removeprefix("trial ") + (", params.yaml" if row is current else ""),
            value,
            difference,
            status,
            seconds,
            *(format_value(row.params[name]) if name in row.params else "" for name in names),
        )
        for row in found.rows[:_SHOWN]
        for value, difference, _, status, seconds, _ in [cells(row)]
    ]
    lines += ["", *draw_table(ComparisonTable(headings, tuple(table)), 160)]
    if len(found.rows) > _SHOWN:
        lines.append(f"… and {len(found.rows) - _SHOWN:,} more in reports/sweep.html")
    if found.importances:
        told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.importances.items())
        lines += ["", f"What sets the best quarter apart: {told}"]
    return "\n".join([*lines, "", next_step(found)])


def sweep_json(found: Outcome) -> str:
    """Return one JSON object, described in ``docs/sweep.md``: six significant digits, never NaN."""
    plan, expected = found.plan, found.expected
    worse = {row.model.name: row.gap.worse for row in found.rows if row.gap}
    document = {
        "metric": plan.metric,
        "folds": plan.settings.folds,
        "images": found.images,
        "summary": headline(found),
        "best": found.best.number,
        "expected": expected and asdict(expected),
        "importances": found.importances,
        "order": [trial.number for trial in plan.best([*found.trials])],
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
    plan = found.plan
    ranking = Ranking(plan.metric, plan.params.evaluate.confidence, found.rows, (), None, False, 0, ())
    name = METRIC_NAMES[plan.metric]
    done = [trial for trial in found.trials if trial.value is not None]
    better = min if plan.lower_is_better else max
    so_far = itertools.accumulate((trial.value or 0 for trial in done), better)
    records = [(trial.number, value) for trial, value in zip(done, so_far, strict=True)]
    history = points_svg(
        [(trial.number, trial.value or 0) for trial in done],
        name=f"{name} of each trial, and the best so far",
        x_label="trial",
        y_label=name,
        line=records,
    )
    names = [*found.importances, *(key for key in plan.space if key not in found.importances)]
    slices = [(key, chart) for key in names[:_SLICES] if (chart := _slice(found, key, name))]
    return render_page(
        "pixmill.sweep",
        "page.html",
        script="pixmill.compare/ranking.js",
        found=found,
        headline=headline(found),
        expectation=expectation(found),
        ended=_ended(found),
        history=history if len(done) > 1 else None,
        slices=slices,
        next=next_step(found),
        **page_content(ranking)
        | {
            "images": f"{found.images:,} {plan.where}",
            "in_use": lambda row: "params.yaml" if row is found.current else "",
            "keep": lambda row: f"{plan.command} --apply {row.model.name.removeprefix('trial ')} && dvc repro",
        },
    )


def describe_plan(plan: Plan, finished: int) -> str:
    """Return what a sweep would try, for ``--show``.

    Args:
        plan: What it does.
        finished: How many of its trials are finished.
    """
    now = current_values(plan.params, plan.space)
    given = "sweep.space in params.yaml"
    if not plan.settings.space:
        given = f"the default for the model {plan.params.train.model}; sweep.space in params.yaml names another"
    rows = tuple((name, _spelt(values), format_value(now[name])) for name, values in plan.space.items())
    number = combinations(plan.space)
    how = f"in {plan.settings.folds}-fold cross-validation" if plan.settings.folds else "on the validation split"
    combined = f"; the space has {count(number, 'combination')}" if number else ""
    lines = [
        f"Space ({given}):",
        "",
        *draw_table(ComparisonTable(("param", "tried", "now"), rows), 120),
        "",
        f"{count(plan.settings.trials, 'trial')} by {plan.settings.sampler}, measured by {METRIC_NAMES[plan.metric]} "
        f"{how}{combined}",
    ]
    if finished >= plan.settings.trials:
        lines.append(f"All are finished: {plan.command} prints the result")
    elif finished:
        lines.append(f"{count(finished, 'trial')} finished: {plan.command} goes on from there")
    return "\n".join(lines)


def _spelt(values: Any) -> str:
    if isinstance(values, RangeParams):
        return f"{values.low:g} to {values.high:g}{', logarithmic' if values.log else ''}"
    return ", ".join(map(format_value, values))


def _slice(found: Outcome, key: str, name: str) -> str | None:
    """Return a chart of a param's values against the metric, of trials that use it; ``None`` for a single value."""
    values = found.plan.space[key]
    is_logarithmic = isinstance(values, RangeParams) and values.log
    unused = {row.model.name for row in found.rows if key in row.model.unused}

    def has_place(value: Any) -> bool:
        # params.yaml may have null where a range is searched, or 0 where a logarithmic one is.
        if not isinstance(values, RangeParams):
            return True
        return isinstance(value, int | float) and (value > 0 or not is_logarithmic)

    points = [
        (trial.values[key], trial.value)
        for trial in found.trials
        if trial.value is not None and trial.name not in unused and has_place(trial.values[key])
    ]
    if len({str(value) for value, _ in points}) < 2:
        return None
    return points_svg(
        points,
        name=f"{name} by {key}",
        x_label=_short(key),
        y_label=name,
        logarithmic=is_logarithmic,
        named=not isinstance(values, RangeParams),
    )


def _ended(found: Outcome) -> list[str]:
    """Return how many trials did not end well."""
    told = []
    if pruned := found.in_state("pruned"):
        ended = count(pruned, "trial was", "trials were")
        after = [
            f"{trial.name} after {count(len(trial.curves), 'epoch')}"
            for trial in found.trials
            if trial.state == "pruned"
        ]
        told.append(f"{ended} ended early, since most others were better at the same epoch: {join_names(after, 5)}")
    if failed := found.in_state("failed"):
        reason = next(trial.reason for trial in found.trials if trial.state == "failed")
        told.append(f"{count(failed, 'trial')} failed, the first one by: {reason}")
    return told


def _short(name: str) -> str:
    return name.rpartition(".")[2]
