"""A ranking of models as text for a terminal, as the page ``reports/runs.html`` and as JSON."""

import json
import shlex
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from pixmill.compare.comparison import with_sign
from pixmill.compare.description import NONE, ComparisonTable, p_value
from pixmill.compare.numbers import METRIC_NAMES
from pixmill.compare.ranking import RankedModel, Ranking
from pixmill.compare.text import draw_table
from pixmill.compare.training_files import SEED
from pixmill.core.files import significant
from pixmill.core.params.reference import plain
from pixmill.core.words import count, printable
from pixmill.pages.base import render_page, shorten
from pixmill.record.run_lookup import MlflowRun

_WIDE = 120
"""Characters of a line on a terminal."""

_SHORTEST = 12
"""Letters of a name that are always shown."""

_LIMITS_NOTE = "The limits of differences and p hold for all pairs at once, the other limits for one model alone."
_FEW_NOTE = "Not testable: too few images are answered differently."

_TEST_NOTE = (
    "Test values choose nothing: the best of many on the test split is partly the luckiest, and its value too good. So "
    "validation decides the order, and the test split judges the first model alone."
)


def summary(ranking: Ranking) -> str:
    """Return the result in a sentence."""
    if not ranking.rows:
        return "No model can be compared with another."
    best, equal, name = ranking.rows[0], ranking.equal, METRIC_NAMES[ranking.metric]
    figure = f"the best {name} on validation, {best.value:.3f}"
    sentence, them = f"{best.model.name} has {figure}", "it"
    if equal > 1:
        others = count(equal - 1, "other")
        sentence = f"{best.model.name} and {others} have {figure}: they are equal, so keep the one you have"
        them = "them"
    rest, worse = len(ranking.rows) - equal, sum(row.gap is not None and row.gap.worse for row in ranking.rows)
    others = "the other" if rest == 1 else count(rest, "other")
    if worse:
        told = "is" if worse == 1 else "are"
        sentence += f"; {others if worse == rest else f'{worse:,} of {others}'} {told} worse"
    if rest > worse:
        sentence += f"; {rest - worse if worse else others} cannot be told apart from {them}"
    if not rest and equal == 1:
        sentence += "; there is no other to compare it with"
    return f"{sentence}."


def ranking_text(ranking: Ranking, *, test: bool = False) -> str:
    """Return the table as plain text, at most 120 characters wide, with the params in which each model differs.

    Args:
        ranking: The ranking.
        test: Whether to show the values on the test split.
    """
    rows, name = ranking.rows, METRIC_NAMES[ranking.metric]
    headings = ["model", f"{name} ({_level(ranking)} CI)", "difference", "p", "", "seconds", "MB"]
    headings += ["test"] if test else []
    table_rows = [(row.model.name, *cells(row), *([_figure(row.test)] if test else [])) for row in rows]
    columns = list(zip(headings, *table_rows, strict=True))
    room = _WIDE - sum(2 + max(map(len, column)) for column in columns[1:]) - 2
    table_rows = [(shorten(name, max(room, _SHORTEST)), *others) for name, *others in table_rows]
    heading, *table = draw_table(ComparisonTable(tuple(headings), tuple(table_rows)), _WIDE) if table_rows else [""]
    lines = [*_wrap(ranking.without_runs), ""] if ranking.without_runs else []
    lines += _wrap(summary(ranking))
    if verdict := _verdict(ranking):
        lines += ["", *_wrap(verdict)]
    if ranking.planned:
        lines += [f"More: {ranking.planned.command}"]
    lines += ["", heading]
    for row, line in zip(rows, table, strict=True):
        first = {} if row is rows[0] else rows[0].params
        told = [f"{key}={format_value(value)}" for key, value in row.params.items() if first.get(key, ...) != value]
        facts = ", ".join(filter(None, [_in_use(row), row.model.kind, _when(row), _seeds(row)]))
        lines += [line, *_wrap(f"{facts}{'; ' if told else ''}{', '.join(told)}", "    ")]
    few = any(row.gap and row.gap.difference and row.gap.low is None for row in rows)
    lines += [f"  {note}" for note in (_LIMITS_NOTE, *([_FEW_NOTE] if few else []))] if len(rows) > 1 else []
    notes = [
        f"{row.model.name}, {_in_use(row) and 'in use, '}{_when(row)}, is not in the table: {row.why}."
        for row in ranking.others
    ]
    notes += [_left_out(ranking)] if ranking.left_out else []
    for sweep in ranking.sweeps:
        lines += [
            "",
            *_wrap(f"{sweep.run.name} ({sweep.run.id[:8]}), {_time(sweep.run.started)}: {sweep.summary}"),
        ]
    for note in (*([_TEST_NOTE] if test and rows else []), *notes, *ranking.notes):
        lines += ["", *_wrap(note)]
    return "\n".join(lines)


def render_ranking(ranking: Ranking, *, test: bool = False) -> str:
    """Return the page ``reports/runs.html``.

    Args:
        ranking: The ranking.
        test: Whether to show the values on the test split.
    """
    script = "ranking.js" if ranking.rows else None
    return render_page("pixmill.compare", "ranking.html", script=script, **page_content(ranking, test=test))


def page_content(ranking: Ranking, *, test: bool = False) -> dict[str, Any]:
    """Return what the template ``ranking.html`` names, for pages that extend it.

    Args:
        ranking: The ranking.
        test: Whether to show the values on the test split.
    """
    return {
        "ranking": ranking,
        "images": count(ranking.rows[0].n, "validation image") if ranking.rows else "",
        "metric": METRIC_NAMES[ranking.metric],
        "metric_names": METRIC_NAMES,
        "level": _level(ranking),
        "summary": summary(ranking),
        "params": _columns(ranking),
        "verdict": _verdict(ranking),
        "test_note": _TEST_NOTE if test else None,
        "left_out": _left_out(ranking),
        "cells": cells,
        "seeds": _seeds,
        "in_use": _in_use,
        "keep": _keep,
        "when": _when,
        "time": _time,
        "figure": _figure,
        "seed": lambda model: model.params.get(SEED),
        "format_value": format_value,
        "quote": shlex.quote,
    }


def ranking_json(ranking: Ranking, *, test: bool = False) -> str:
    """Return one JSON object, described in ``docs/comparing.md``: six significant digits, never NaN.

    Args:
        ranking: The ranking.
        test: Whether to give the values on the test split.
    """
    planned = ranking.planned
    notes = (ranking.without_runs, *ranking.notes) if ranking.without_runs else ranking.notes
    document = {
        "metric": ranking.metric,
        "confidence": ranking.confidence,
        "summary": summary(ranking),
        "planned": planned and vars(planned),
        "rows": [_facts(row, test=test) for row in ranking.rows],
        "others": [_facts(row, test=test) for row in ranking.others],
        "sweeps": [
            {"run": _run(sweep.run), "metric": sweep.metric, "summary": sweep.summary, "trials": list(sweep.trials)}
            for sweep in ranking.sweeps
        ],
        "left_out": ranking.left_out,
        "notes": list(notes),
    }
    return json.dumps(significant(document), indent=2, allow_nan=False, ensure_ascii=False, default=str)


def format_value(value: Any) -> str:
    """Return a param's value as it stands in ``params.yaml``."""
    return plain(significant(value))


def _facts(row: RankedModel, *, test: bool) -> dict[str, Any]:
    model, gap = row.model, row.gap
    return {
        "name": model.name,
        "revision": model.revision,
        "kind": model.kind,
        "started": datetime.fromtimestamp(model.started, UTC).isoformat(timespec="seconds") if model.started else None,
        "commit": model.commit,
        "run": model.run and _run(model.run),
        "in_use": row.used is not None,
        "seeds": row.seeds,
        "trainings": [
            {"revision": each.revision, "seed": each.params.get(SEED), "value": value} for each, value in row.trainings
        ],
        "n": row.n,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "difference": gap and gap.difference,
        "difference_low": gap and gap.low,
        "difference_high": gap and gap.high,
        "p": gap and (None if gap.low is None else gap.p),
        "worse": gap and gap.worse,
        **({"test": row.test} if test else {}),
        "seconds": model.seconds,
        "megabytes": model.megabytes,
        "why": row.why,
        "params": row.params,
    }


def _run(run: MlflowRun) -> dict[str, str]:
    return {"id": run.id, "name": run.name, "url": run.url}


def cells(row: RankedModel) -> tuple[str, str, str, str, str, str]:
    """Return value, difference, adjusted p, what that means, seconds and megabytes."""
    value = _figure(row.value)
    if row.low is not None and row.high is not None:
        value += f" ({row.low:.3f} to {row.high:.3f})"
    gap, model = row.gap, row.model
    difference = p = status = ""
    if gap is not None and gap.difference == 0:
        status = "best"
    elif gap is not None:
        difference = with_sign(gap.difference)
        p, status = "not testable", "worse" if gap.worse else ""
        if gap.low is not None and gap.high is not None:
            difference += f" ({with_sign(gap.low)} to {with_sign(gap.high)})"
            p = p_value(gap.p)
    seconds = NONE if model.seconds is None else f"{model.seconds:,.0f}"
    return value, difference, p, status, seconds, NONE if model.megabytes is None else f"{model.megabytes:,.1f}"


def _seeds(row: RankedModel) -> str:
    """Return how many trainings a row stands for, and how far apart they are."""
    if row.seeds == "same":
        return "the seed has no effect"
    if row.seeds == "one":
        return "one seed only"
    values = [value for _, value in row.trainings]
    return f"{len(values)} seeds, {min(values):.3f} to {max(values):.3f}"


def _in_use(row: RankedModel) -> str:
    """Return which of a row's trainings is in use, if one is."""
    if row.used is None:
        return ""
    return "in use" if row.used is row.model else f"{row.used.name} is in use"


def _keep(row: RankedModel) -> str:
    """Return how to make a model the project's own: a command, or in words."""
    if row.model.experiment:
        return f"dvc exp apply {shlex.quote(row.model.experiment)}"
    params = ", ".join(f"{key}={format_value(value)}" for key, value in row.params.items())
    where = f" at commit {row.model.commit[:10]}" if row.model.commit else ""
    return f"set {params}{where}, then: dvc repro" if params else f"dvc repro{where}"


def _verdict(ranking: Ranking) -> str | None:
    """Return the sentence about the first row and the model in use; ``None`` if there is neither."""
    if planned := ranking.planned:
        return f"On the test split, {planned.head} against {planned.base}: {planned.sentence}"
    return "The best is the model in use: keep it." if ranking.rows and ranking.rows[0].used else None


def _columns(ranking: Ranking) -> list[str]:
    """Return the names of all params that a row has."""
    return sorted({name for row in (*ranking.rows, *ranking.others) for name in row.params})


def _left_out(ranking: Ranking) -> str:
    return (
        f"Older ones are left out, and seeds of these models may be among them: --limit {2 * ranking.limit} reads more."
    )


def _level(ranking: Ranking) -> str:
    return f"{100 * ranking.confidence:g} %"


def _figure(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _when(row: RankedModel) -> str:
    """Return when a model was trained, in local time."""
    return _time(row.model.started)


def _time(started: float) -> str:
    return datetime.fromtimestamp(started, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if started else NONE


def _wrap(text: str, indent: str = "") -> list[str]:
    return wrap(printable(text), _WIDE, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
