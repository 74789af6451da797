"""A ranking of models as terminal text, JSON, and the page ``reports/runs.html``."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pixmill.core.files.writing import json_text
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.ranking import RankedModel, Ranking
from pixmill.experiments.compare.trained_models import SEED
from pixmill.experiments.compare.view import Document
from pixmill.pages import render_page
from pixmill.pages.page import render_sentence, render_text

_MAX_WIDTH = 120
"""Characters per terminal line."""


def ranking_text(ranking: Ranking) -> str:
    """Return the table as plain text, with the params that differ."""
    return render_text(
        "pixmill.experiments.compare", "ranking.txt", width=_MAX_WIDTH, **page_content(ranking)
    )


def render_ranking(ranking: Ranking, root: Path | None = None) -> str:
    """Return the page ``reports/runs.html``.

    Args:
        ranking: The ranking.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    script = "ranking.js" if ranking.rows else None
    content = page_content(ranking)
    return render_page(
        "pixmill.experiments.compare", "ranking.html", root=root, script=script, **content
    )


def page_content(ranking: Ranking) -> dict[str, Any]:
    """Return the variables of ``ranking.html`` and of pages that extend it."""
    return {
        "ranking": ranking,
        "metric": METRIC_NAMES[ranking.metric],
        "level": f"{100 * ranking.confidence:g} %",
        "params": sorted({name for row in (*ranking.rows, *ranking.others) for name in row.params}),
        "seed": SEED,
        "quote": shlex.quote,
    }


def ranking_json(ranking: Ranking) -> str:
    """Return one JSON object, described in ``docs/reference/json.md``."""
    return json_text(ranking_facts(ranking), default=str)


def ranking_facts(ranking: Ranking) -> Document:
    """Return the ranking as plain values."""
    planned = ranking.planned
    return {
        "metric": ranking.metric,
        "confidence": ranking.confidence,
        "summary": summary(ranking),
        "planned": planned and vars(planned),
        "rows": [_facts(row) for row in ranking.rows],
        "others": [_facts(row) for row in ranking.others],
        "left_out": ranking.left_out,
        "notes": [*filter(None, [ranking.without_runs]), *ranking.notes],
    }


def summary(ranking: Ranking) -> str:
    """Return the result as a sentence."""
    content = {"ranking": ranking, "metric": METRIC_NAMES[ranking.metric]}
    return render_sentence("pixmill.experiments.compare", "ranking_summary.txt", **content)


def _facts(row: RankedModel) -> Document:
    model = row.model
    gap = row.gap
    started = None
    if model.started:
        started = datetime.fromtimestamp(model.started, UTC).isoformat(timespec="seconds")
    return {
        "name": model.name,
        "revision": model.revision,
        "kind": model.kind,
        "started": started,
        "commit": model.commit,
        "run": (run := model.run) and {"id": run.id, "name": run.name, "url": run.url},
        "in_use": row.used is not None,
        "seeds": row.seeds,
        "trainings": [
            {"revision": each.revision, "seed": each.params.get(SEED), "value": value}
            for each, value in row.trainings
        ],
        "n": row.n,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "difference": gap and gap.difference,
        "difference_low": gap and gap.low,
        "difference_high": gap and gap.high,
        "p": None if gap is None or gap.low is None else gap.p,
        "worse": gap and gap.worse,
        "seconds": model.seconds,
        "megabytes": model.megabytes,
        "why": row.why,
        "params": row.params,
    }
