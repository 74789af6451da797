"""Fit the classifier that params describe, and record how it went."""

from __future__ import annotations

import sys
from functools import partial

from pixmill import train as training
from pixmill.files import file_digest, fresh_folder, write_bytes, write_json, write_text
from pixmill.models import save_classifier
from pixmill.params import Params, flat
from pixmill.tracking import Run, training_run
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write ``artifacts/train``, its page, its metrics and its curves; record the run in MLflow."""
    root, split, scratch = workspace.root, workspace.root / "artifacts" / "split", workspace.scratch("train")
    fit = partial(training.train, split, params.train, classes=params.classes, root=root, scratch=scratch)
    if not training.is_chief():
        fit()  # Of several processes that train together, the first alone keeps and records what comes of it.
        return
    kept = training.keep_checkpoints(scratch, split, params.train, labels=params.classes, root=root)
    try:
        with kept as checkpoints, training_run(workspace, params=flat(params), dataset="artifacts/split") as record:
            on_epoch, on_fold = training.log_epochs(record), training.log_folds(record)
            trained = fit(checkpoints=checkpoints, on_epoch=on_epoch, on_fold=on_fold)
            write(workspace, params, trained, record)
    except training.Interrupted as ended:
        sys.stderr.write(f"train: ended in epoch {ended.epoch}; those before it are kept. To go on: dvc repro\n")
        sys.exit(ended.status)


def write(workspace: Workspace, params: Params, trained: training.Trained, record: Run) -> None:
    """Write what came of it, then record that."""
    root, folder, model = workspace.root, fresh_folder(workspace.root / "artifacts" / "train"), trained.classifier
    page, samples = training.render_report(trained, params.train), trained.samples.sheet()
    write_text(root / "reports" / "train.html", page)
    write_text(root / "plots" / "train" / "curves.csv", training.curves_csv(trained.history))
    write_json(root / "metrics" / "train.json", trained.metrics())
    write_bytes(folder / "samples.png", samples)
    weights = save_classifier(model, trained.labels, folder, **trained.preprocessing)
    print(f"train: {trained.summary()}\ntrain: reports/train.html")  # noqa: T201
    # All is on disk from here on: what MLflow does not take can be recorded later.
    record.set_weights(file_digest(weights, "md5"))
    record.log_metrics(trained.record())
    if not trained.solved:
        record.log_figure(training.curves_figure(trained.history, trained.monitor), "plots/curves.png")
    record.log_picture(samples, "plots/samples.png")
    record.log_text(page, "reports/train.html")
    record.log_model(model)
    record.log_classifier(model, trained.labels, **trained.preprocessing)


if __name__ == "__main__":
    run("train", main, writes=training.is_chief)
