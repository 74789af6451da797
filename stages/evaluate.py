"""Evaluate the trained classifier: figures, predictions picture by picture, and where it goes wrong."""

from __future__ import annotations

from pixmill.core.files import file_digest, fresh_folder, write_json, write_text
from pixmill.core.manifest import write_table
from pixmill.core.params import Params
from pixmill.core.workspace import Workspace
from pixmill.evaluate import LABELS, as_tracked, evaluate, predictions_schema, unlabelled_schema
from pixmill.pages.evaluate import figures, render_report
from pixmill.record.stages import evaluation_run
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write the predictions, the plot's data, the page and the metrics; then tell MLflow, which may be away."""
    root = workspace.root
    classifier = root / "artifacts" / "train"
    result = evaluate(
        classifier,
        root / "artifacts" / "split",
        params.evaluate,
        threads=params.train.threads,
        scratch=workspace.scratch("train") / "features",
        root=root,
    )
    tables = fresh_folder(root / "artifacts" / "evaluate")
    write_table(tables / "predictions.parquet", result.predictions, predictions_schema(result.labels))
    if result.ranking is not None:
        write_table(tables / "labels.parquet", result.ranking, LABELS)
    if result.unlabelled is not None:
        write_table(tables / "unlabelled.parquet", result.unlabelled, unlabelled_schema(result.labels))
    for name, table in result.plots.items():
        write_text(
            root / "plots" / "evaluate" / f"{name}.csv",
            table.to_csv(index=False, lineterminator="\n", float_format="%.6g"),
        )
    page = render_report(result)
    write_text(root / "reports" / "evaluate.html", page)
    write_json(root / "metrics" / "evaluate.json", result.metrics)

    with evaluation_run(workspace, weights=file_digest(classifier / "model.weights.h5", "md5")) as record:
        record.log_metrics(as_tracked(result.metrics))
        for name, figure in figures(result).items():
            record.log_figure(figure, f"plots/{name}")
        record.log_text(page, "reports/evaluate.html")
        record.log_file(tables / "predictions.parquet", "predictions/predictions.parquet")

    metrics = result.metrics
    print(  # noqa: T201
        f"evaluate: accuracy {metrics['accuracy']:.3f} ({metrics['accuracy_low']:.3f} to "
        f"{metrics['accuracy_high']:.3f}), macro-F1 {metrics['macro_f1']:.3f} on {metrics['n']:,} test pictures; "
        f"by colours alone: {metrics['baseline']['histogram_accuracy']:.3f}, "
        f"always the commonest class: {metrics['baseline']['majority_accuracy']:.3f}\n"
        "evaluate: reports/evaluate.html"
    )


if __name__ == "__main__":
    run("evaluate", main)
