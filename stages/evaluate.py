"""Evaluate the trained classifier: figures, predictions picture by picture, and where it goes wrong."""

from __future__ import annotations

import pandas as pd

from pixmill.evaluate import LABELS, as_tracked, evaluate, predictions_schema, unlabelled_schema
from pixmill.files import file_digest, fresh_folder, write_json, write_text
from pixmill.manifest import write_table
from pixmill.params import Params
from pixmill.tracking import evaluation_run
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write the predictions, the plot's data, the page and the metrics; then tell MLflow, which may be away."""
    root = workspace.root
    classifier = root / "artifacts" / "train"
    found = evaluate(
        classifier,
        root / "artifacts" / "split",
        params.evaluate,
        threads=params.train.threads,
        scratch=workspace.scratch("train") / "features",
        root=root,
    )
    tables = fresh_folder(root / "artifacts" / "evaluate")
    write_table(tables / "predictions.parquet", found.predictions, predictions_schema(found.labels))
    if found.ranking is not None:
        write_table(tables / "labels.parquet", found.ranking, LABELS)
    if found.unlabelled is not None:
        write_table(tables / "unlabelled.parquet", found.unlabelled, unlabelled_schema(found.labels))
    for name, table in found.plots.items():
        write_text(root / "plots" / "evaluate" / f"{name}.csv", _csv(table))
    write_text(root / "reports" / "evaluate.html", found.page)
    write_json(root / "metrics" / "evaluate.json", found.metrics)

    with evaluation_run(workspace, weights=file_digest(classifier / "model.weights.h5", "md5")) as record:
        record.log_metrics(as_tracked(found.metrics))
        for name, figure in found.figures.items():
            record.log_figure(figure, f"plots/{name}")
        record.log_text(found.page, "reports/evaluate.html")

    metrics = found.metrics
    print(  # noqa: T201
        f"evaluate: accuracy {metrics['accuracy']:.3f} ({metrics['accuracy_low']:.3f} to "
        f"{metrics['accuracy_high']:.3f}), macro-F1 {metrics['macro_f1']:.3f} on {metrics['n']:,} test pictures; "
        f"by colours alone: {metrics['baseline']['histogram_accuracy']:.3f}, "
        f"always the commonest class: {metrics['baseline']['majority_accuracy']:.3f}\n"
        "evaluate: reports/evaluate.html"
    )


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    run("evaluate", main)
