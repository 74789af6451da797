"""The page ``reports/evaluate.html`` of several labels an image."""

from functools import partial
from pathlib import Path
from typing import Any

from pixmill.core.cells import show_labels, yes_labels
from pixmill.evaluate.cells.evaluation import CellEvaluation
from pixmill.evaluate.page.report import view_unlabelled
from pixmill.evaluate.page.sentences import say, split_steps
from pixmill.heads import head_of
from pixmill.images.fit import thumbnail_uri
from pixmill.pages import coverage_svg, reliability_svg, render_page


def render_cells(evaluation: CellEvaluation, root: Path, _: Any = None) -> str:
    """Return the page as self-contained HTML.

    Args:
        evaluation: The evaluation to show.
        root: Project folder, which holds the unlabelled images.
    """
    errors = evaluation.errors
    metrics = evaluation.metrics
    ranking = evaluation.ranking
    doubtful = {} if ranking is None else ranking["suggested"].value_counts().to_dict()
    missing, unknown = evaluation.missing
    return render_page(
        "pixmill.evaluate.page",
        "cells.html",
        root=root,
        metrics=metrics,
        labels=evaluation.labels,
        target=evaluation.target_accuracy,
        interval=evaluation.interval_confidence,
        shortcut=say("shortcut", metrics),
        steps=split_steps("cell_steps", metrics, sum(doubtful.values()), len(missing)),
        counts={} if errors.empty else errors["kind"].value_counts().to_dict(),
        wrong=set(errors["id"]),
        shown=evaluation.shown,
        issues=None if ranking is None else evaluation.issues,
        doubtful=doubtful,
        missing=len(missing),
        unknown=unknown,
        unlike=evaluation.unlike,
        sample=evaluation.sample,
        reliability=partial(
            reliability_svg,
            {"answers": evaluation.plots["calibrated"]},
            name="Reliability diagram: share of right answers by confidence",
        ),
        coverage=partial(
            coverage_svg,
            {"answers": evaluation.plots["coverage"]},
            {},
            name="Accuracy against coverage",
        ),
        show=lambda cells: show_labels(yes_labels(cells)),
        thumbnail=thumbnail_uri,
        heatmaps={},
        unlabelled=view_unlabelled(evaluation, root, head_of("labels")),
    )
