"""How evaluate measures and shows each task."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from pixmill.evaluate.cells.doubtful import DOUBTFUL
from pixmill.evaluate.cells.evaluation import evaluate_cells
from pixmill.evaluate.cells.measure import cells_headline
from pixmill.evaluate.evaluation import evaluate
from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.measure import headline
from pixmill.evaluate.page.cells import render_cells
from pixmill.evaluate.page.report import render_report


class Kind(NamedTuple):
    """The parts of evaluate that depend on the task.

    Args:
        evaluate: Measures a classifier; returns :class:`pixmill.evaluate.results.Results`.
        headline: Returns the content of ``metrics/evaluate.json`` from all metrics.
        ranking: Schema of ``labels.parquet``.
        render: Returns the page, from the results, the project folder and the learning curve.
    """

    evaluate: Callable[..., Any]
    headline: Callable[[Mapping[str, Any]], dict[str, Any]]
    ranking: pa.Schema
    render: Callable[..., str]


KINDS = {
    "one_label": Kind(evaluate, headline, LABELS, render_report),
    "labels": Kind(evaluate_cells, cells_headline, DOUBTFUL, render_cells),
}
"""By ``task`` in params.yaml."""
