"""Evaluate the trained classifier: metrics, predictions per image, and error analysis."""

from __future__ import annotations

from pixmill.core.files import file_digest, fresh_folder, write_figures, write_text
from pixmill.core.manifest import write_table
from pixmill.core.params import Params
from pixmill.core.workspace import Workspace
from pixmill.evaluate import LABELS, evaluate, headline, predictions_schema, unlabelled_schema
from pixmill.pages.evaluate import figures, render_report
from pixmill.record.stages import evaluation_run
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write the predictions, the plots' data, the page and the metrics; then log to MLflow if it is reachable."""
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
    short = headline(result.metrics)
    write_figures(root, "evaluate", headline=short, full=result.metrics)

    with evaluation_run(workspace, weights=file_digest(classifier / "model.weights.h5", "md5")) as record:
        record.log_metrics({f"test_{name}": value for name, value in short.items()})
        for name, figure in figures(result).items():
            record.log_figure(figure, f"plots/{name}")
        record.log_text(page, "reports/evaluate.html")
        record.log_file(root / "plots" / "evaluate" / "full.json", "metrics/evaluate.json")
        record.log_file(tables / "predictions.parquet", "predictions/predictions.parquet")

    metrics = result.metrics
    print(  # noqa: T201
        f"evaluate: accuracy {metrics['accuracy']:.3f} (CI {metrics['accuracy_low']:.3f} to "
        f"{metrics['accuracy_high']:.3f}), macro-F1 {metrics['macro_f1']:.3f} on {metrics['n']:,} test images; "
        f"colour-histogram baseline {metrics['baseline']['histogram_accuracy']:.3f}, "
        f"constant baseline {short['baseline_accuracy']:.3f}\n"
        "evaluate: reports/evaluate.html"
    )


if __name__ == "__main__":
    run("evaluate", main)
