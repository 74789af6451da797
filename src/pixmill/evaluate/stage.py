"""Evaluate the trained classifier: metrics, predictions and error analysis."""

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import (
    file_digest,
    fresh_folder,
    read_json,
    write_figures,
    write_text,
)
from pixmill.core.manifest import write_table
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.evaluate.mistakes import VECTORS
from pixmill.evaluate.page.kinds import KINDS
from pixmill.evaluate.page.sentences import say
from pixmill.evaluate.predictions import predict_all, predictions_schema
from pixmill.heads import head_of
from pixmill.metrics.growth import Growth
from pixmill.models.inference import answers_schema
from pixmill.models.networks import describe_model
from pixmill.tracking.stage_runs import evaluation_run


def main(workspace: Workspace, params: Params) -> None:
    """Write predictions, plots, page and metrics; log them to MLflow if it is reachable."""
    root = workspace.root
    classifier = root / "artifacts/train"
    kind = KINDS[params.task]
    opened = predict_all(
        classifier,
        root / "artifacts/split",
        params.evaluate,
        train=params.train,
        scratch=workspace.scratch("train") / "features",
        root=root,
    )
    result = kind.evaluate(
        opened,
        params.evaluate,
        read_json(root / "plots/validate/shortcuts.json", stage="validate")["shortcuts"],
    )
    if remark := result.unlabelled_remark():
        announce(f"warning: {remark}")
    flags = head_of(params.task).flags(result.labels)
    tables = fresh_folder(root / "artifacts/evaluate")
    write_table(
        tables / "predictions.parquet", result.predictions, predictions_schema(result.labels)
    )
    for name, table, schema in (
        ("labels", result.ranking, kind.ranking),
        ("nearest", result.training, VECTORS),
        ("unlabelled", result.unlabelled, answers_schema(result.labels, flags)),
    ):
        if table is not None:
            write_table(tables / f"{name}.parquet", table, schema)
    figures = read_json(root / "plots/train/full.json", stage="train")
    curve = figures.get("learning_curve")
    growth = curve and Growth(curve["gain"], curve["gain_low"], curve["gain_high"])
    if together := figures.get("series_accuracy"):
        result.metrics["series_accuracy"] = together
    page = kind.render(result, root, growth)
    write_text(root / "reports/evaluate.html", page)
    short = kind.headline(result.metrics)
    write_figures(
        root, "evaluate", headline=short, full=result.metrics, tables=result.plot_tables()
    )

    with evaluation_run(
        workspace, weights=file_digest(classifier / "model.weights.h5", "md5")
    ) as record:
        # Replaces the description by train, so repeat the model.
        fitted_to = f"fitted to {result.metrics['train']['n']:,} images"
        record.describe(f"{describe_model(params.train)}, {fitted_to}: {result.summary()}")
        record.log_metrics(
            {name if "cross" in name else f"test_{name}": value for name, value in short.items()}
        )
        record.log_text(page, "reports/evaluate.html")
        for path in sorted((root / "plots/evaluate").iterdir()):
            record.log_file(path, f"plots/evaluate/{path.name}")
        record.log_file(tables / "predictions.parquet", "predictions/predictions.parquet")

    print(f"evaluate: {result.summary()}")
    if shortcut := say("shortcut", result.metrics):
        print(f"evaluate: warning: {shortcut}")
    print("evaluate: reports/evaluate.html")
