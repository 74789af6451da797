"""Experiments of DVC and runs in MLflow, best first, and which are significantly worse than the best."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

from pixmill.compare.changes import find_changed_params
from pixmill.compare.comparison import NotComparableError, Revision, with_sign
from pixmill.compare.description import NONE, ComparisonTable, p_value
from pixmill.compare.numbers import LOWER_IS_BETTER, METRIC_NAMES, compare_numbers
from pixmill.compare.parallel_plot import parallel_plot
from pixmill.compare.revisions import read_each
from pixmill.compare.text import draw_table
from pixmill.core.errors import PixmillError
from pixmill.core.files import significant
from pixmill.core.git import git
from pixmill.core.params import Params
from pixmill.core.params.reference import plain
from pixmill.core.progress import track
from pixmill.core.words import printable
from pixmill.core.workspace import Workspace
from pixmill.metrics.significance import Difference, holm
from pixmill.pages.base import render_page, shorten
from pixmill.record.delivery import WEIGHTS
from pixmill.record.run_lookup import RunReader

_MOST = 50
"""Rows of a table that is still read."""

_WIDE = 120
"""Characters of a line on a terminal."""

_EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+")

_NO_ORIGIN = ("review.", "evaluate.")
"""Params that change no model."""


@dataclass(frozen=True)
class RankedModel:
    """A model and its place among the others.

    Args:
        name: Of the experiment, else of the run.
        kind: ``experiment``, ``run``, or ``experiment and run`` where both have the same weights.
        started: When, in seconds since 1970.
        url: The run's page in MLflow; ``None`` without a run.
        params: Those in which the rows differ, by dotted name; ``None`` where a row has none of this name.
        n: Test images.
        value: ``review.metric`` on its own test split, with its limits.
        low: The lower limit; ``None`` if unknown.
        high: The upper limit.
        common: Test images that it has in common with the best.
        difference: The difference from the best on those; ``None`` for the best itself, and where there are none.
        p: Its p-value by Holm's method over all rows.
        worse: Whether it is significantly worse than the best.
        why: Why it cannot be compared with the best; ``None`` if it can.
    """

    name: str
    kind: str
    started: float
    url: str | None
    params: Mapping[str, Any]
    n: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    common: int = 0
    difference: Difference | None = None
    p: float | None = None
    worse: bool = False
    why: str | None = None


@dataclass(frozen=True)
class Ranking:
    """All models, best first.

    Args:
        metric: ``review.metric``.
        confidence: Level of the limits.
        rows: Best first; those measured on other test images than the best come after the others.
        others: Those that cannot be compared with the best, newest first.
        left_out: Whether there are older ones, in neither.
        missing: What could not be read.
        command: What serves the pages of runs on this machine; ``None`` if a server does, or there are none.
    """

    metric: str
    confidence: float
    rows: tuple[RankedModel, ...]
    others: tuple[RankedModel, ...]
    left_out: bool
    missing: tuple[str, ...]
    command: str | None = None


def compare_runs(workspace: Workspace, params: Params) -> Ranking:
    """Compare the newest experiments and runs with the best of them.

    The best is the one with the best ``review.metric`` among those with the project's classes and the test images that
    most of these have. Each other is compared with it on their common test images, by its own labels.

    Args:
        workspace: The project's workspace.
        params: Its params: those in ``review`` and ``evaluate``, and the classes.

    Raises:
        PixmillError: There is neither an experiment nor a run.
    """
    metric, confidence = params.review.metric, params.evaluate.confidence
    sign = -1 if metric in LOWER_IS_BETTER else 1
    pairs, left_out, missing = _read(workspace, metric)
    tested = [_test_set(revision) for _, revision in pairs]
    mine = [key for key in tested if key and key[0] == frozenset(params.classes)] or list(filter(None, tested))
    usual = Counter(mine).most_common(1)[0][0] if mine else None
    # A figure of other test images does not tell which model is better, so these come last.
    values = [row.value for row, _ in pairs]
    scores = [-math.inf if value is None else sign * value for value in values]
    order = sorted(range(len(pairs)), key=lambda place: (tested[place] != usual, -scores[place]))
    pairs = [pairs[place] for place in order]
    best = pairs[0][1] if usual is not None and pairs[0][0].value is not None else None
    different = _params_that_differ([revision for _, revision in pairs])
    rows = [
        replace(_compare_with_best(row, revision, best, params), params=own)
        for (row, revision), own in zip(pairs, different, strict=True)
    ]
    adjusted = iter(holm([row.difference.p for row in rows if row.difference]).tolist())
    rows = [
        replace(row, p=(p := next(adjusted)), worse=p <= 1 - confidence and sign * row.difference.difference < 0)
        if row.difference
        else row
        for row in rows
    ]
    others = sorted((row for row in rows if row.why), key=lambda row: -row.started)
    shown = tuple(row for row in rows if not row.why)
    command = next((revision.run.command for _, revision in pairs if revision.run), None)
    return Ranking(metric, confidence, shown, tuple(others), left_out, missing, command)


def _read(workspace: Workspace, metric: str) -> tuple[list[tuple[RankedModel, Revision]], bool, tuple[str, ...]]:
    """Return the newest models with what was read of them, whether there are older ones, and what could not be read."""
    experiments, missing = _experiments(workspace.root), []
    try:
        recorded = RunReader(workspace).list_evaluated(_MOST + 1)
    except PixmillError as error:
        if not experiments:
            raise
        recorded, missing = [], [f"No runs: {error.message}; {error.next}."]
    refs = [ref for _, ref in experiments[:_MOST]]
    revisions = dict(zip(refs, _read_slim(workspace, refs), strict=True))
    known = {revision.run.tags[WEIGHTS] for revision in revisions.values() if revision.run}
    # Of several runs with the same weights, the newest.
    runs = {run.tags[WEIGHTS]: run for run in reversed(recorded) if run.tags[WEIGHTS] not in known}
    started = {f"runs:/{run.id}": float(run.tags.get("pixmill.started", 0)) for run in runs.values()}
    all_ = sorted([*experiments, *((time, name) for name, time in started.items())], reverse=True)
    if not all_:
        raise PixmillError("there are no experiments, and no runs with results in MLflow", next="dvc repro")
    names = [name for _, name in all_[:_MOST] if name in started]
    revisions |= zip(names, _read_slim(workspace, names), strict=True)
    rows = [(_row(revisions[name], time, metric), revisions[name]) for time, name in all_[:_MOST]]
    found = [(row, replace(revision, name=row.name)) for row, revision in rows]
    return found, len(all_) > _MOST, tuple(missing)


def _read_slim(workspace: Workspace, names: Sequence[str]) -> Iterator[Revision]:
    """Yield revisions with their test predictions and clusters alone, since dozens are held at once."""
    for revision in track(read_each(workspace, names), "Read results", len(names), unit="model"):
        manifest, predictions = revision.manifest, revision.predictions
        if predictions is not None:
            predictions = predictions[predictions["split"] == "test"]
            if manifest is not None and "cluster" in manifest:
                manifest = manifest.loc[manifest["id"].isin(predictions["id"]), ["id", "cluster"]]
        yield replace(revision, predictions=predictions, manifest=manifest, pairs=None, lock={}, read=lambda _: None)


def _row(revision: Revision, started: float, metric: str) -> RankedModel:
    is_run = revision.name.startswith("runs:/")
    name = revision.name.rpartition("/")[2]
    metrics = revision.metrics or {}
    return RankedModel(
        name=f"{revision.run.name} ({name[:8]})" if is_run and revision.run else name,
        kind="run" if is_run else "experiment and run" if revision.run else "experiment",
        started=started,
        url=revision.run.url if revision.run else None,
        params={},
        n=metrics.get("n", 0),
        value=metrics.get(metric),
        low=metrics.get(f"{metric}_low"),
        high=metrics.get(f"{metric}_high"),
    )


def _experiments(root: Path) -> list[tuple[float, str]]:
    """Return DVC's experiments, newest first: when each was made, and its ref."""
    listed = git(
        root, "for-each-ref", "--sort=-committerdate", "--format=%(committerdate:unix) %(refname)", "refs/exps"
    )
    rows = (line.split(" ", 1) for line in (listed or "").splitlines())
    return [(float(time), ref) for time, ref in rows if _EXPERIMENT.fullmatch(ref)]


def _test_set(revision: Revision) -> tuple[frozenset[str], int] | None:
    """Return the classes, and a hash of the test images; ``None`` without predictions."""
    if revision.predictions is None:
        return None
    labels = frozenset(name.removeprefix("p_") for name in map(str, revision.predictions) if name.startswith("p_"))
    return labels, hash(tuple(sorted(revision.predictions["id"])))


def _compare_with_best(row: RankedModel, revision: Revision, best: Revision | None, params: Params) -> RankedModel:
    if revision is best:
        return replace(row, common=row.n)
    if row.value is None or best is None:
        return replace(row, why="its metrics or predictions cannot be read")
    try:
        numbers = compare_numbers(best, revision, params.review, params.evaluate)
    except NotComparableError as reason:
        return replace(row, why=str(reason).removeprefix("Not comparable: "))
    return replace(row, common=numbers.n, difference=numbers.decisive)


def _params_that_differ(revisions: list[Revision]) -> list[dict[str, Any]]:
    """Return those params of each revision in which they differ from each other."""
    first = revisions[0]
    changes = [
        {each.name: each for each in find_changed_params(first, other) if not each.name.startswith(_NO_ORIGIN)}
        for other in revisions
    ]
    common = {name: each.base for changed in changes for name, each in changed.items()}
    return [
        {name: changed[name].head if name in changed else common[name] for name in sorted(common)}
        for changed in changes
    ]


def render_runs(runs: Ranking) -> str:
    """Return the page ``reports/runs.html``."""
    plot = parallel_plot(
        [row.params for row in runs.rows],
        METRIC_NAMES[runs.metric],
        [row.value or 0 for row in runs.rows],
        lower_is_better=runs.metric in LOWER_IS_BETTER,
    )
    return render_page(
        "pixmill.compare",
        "ranking.html",
        runs=runs,
        plot=plot,
        metric=METRIC_NAMES[runs.metric],
        level=f"{100 * runs.confidence:g} %",
        summary=_summary(runs),
        params=[*(runs.rows or runs.others)[0].params],
        cells=_cells,
        when=_when,
        format_value=_format_value,
        most=_MOST,
    )


def runs_text(runs: Ranking) -> str:
    """Return the table as plain text, at most 120 characters wide, with the params in which each run differs."""
    level = f"({100 * runs.confidence:g} % CI)"
    headings = ("name", f"{METRIC_NAMES[runs.metric]} {level}", "images", f"difference {level}", "p", "")
    cells = [(shorten(row.name, 32), *_cells(row), "worse" if row.worse else "") for row in runs.rows]
    heading, *table = draw_table(ComparisonTable(headings, tuple(cells)), _WIDE) if cells else [""]
    lines = [_summary(runs), "", heading]
    for row, line in zip(runs.rows, table, strict=True):
        best = {} if row is runs.rows[0] else runs.rows[0].params
        told = [f"{name}={_format_value(value)}" for name, value in row.params.items() if best.get(name, ...) != value]
        text = f"{row.kind}, {_when(row)}{': ' if told else ''}{', '.join(told)}"
        lines += [line, *_wrap(text, "    ")]
    notes = [f"{row.name}, {_when(row)}, is not comparable with the best: {row.why}" for row in runs.others]
    notes += [f"Only the newest {_MOST} are shown."] if runs.left_out else []
    for note in (*notes, *runs.missing):
        lines += ["", *_wrap(note)]
    return "\n".join(lines)


def _wrap(text: str, indent: str = "") -> list[str]:
    return wrap(printable(text), _WIDE, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _summary(runs: Ranking) -> str:
    """Return the result in a sentence."""
    if not runs.rows:
        return "No run or experiment can be compared."
    best, others, worse = runs.rows[0], len(runs.rows) - 1, sum(row.worse for row in runs.rows)
    same = all(row.n == row.common == best.n for row in runs.rows)
    among = "" if same else " of those tested on the same images"
    sentence = f"{best.name} has the best {METRIC_NAMES[runs.metric]}{among}, {best.value:.3f}"
    if not others:
        return f"{sentence}; there is no other to compare it with."
    return f"{sentence}; {worse or 'none'} of the other {others} {'is' if worse == 1 else 'are'} significantly worse."


def _format_value(value: Any) -> str:
    return plain(significant(value))


def _when(row: RankedModel) -> str:
    """Return when a model was trained, in local time."""
    return datetime.fromtimestamp(row.started, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if row.started else NONE


def _cells(row: RankedModel) -> tuple[str, ...]:
    """Return the figures of a row as both tables show them: metric, images, difference and adjusted p."""
    value = NONE if row.value is None else f"{row.value:.3f}"
    if row.low is not None and row.high is not None:
        value += f" ({row.low:.3f} to {row.high:.3f})"
    images = f"{row.n:,}" if row.common == row.n else f"{row.common:,} of {row.n:,}"
    found = row.difference
    if found is None or row.p is None:
        return value, images, "best", ""
    return (
        value,
        images,
        f"{with_sign(found.difference)} ({with_sign(found.low)} to {with_sign(found.high)})",
        p_value(row.p),
    )
