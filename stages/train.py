"""Fit the classifier that params describe, and record how it went."""

from __future__ import annotations

from pixmill.files import file_digest, fresh_folder, write_json, write_text
from pixmill.models import save_classifier
from pixmill.params import Params, flat
from pixmill.tracking import training_run
from pixmill.train import curves_csv, curves_figure, render_report, train
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write ``artifacts/train``, its page, its metrics and its curves; record the run in MLflow."""
    root = workspace.root
    with training_run(workspace, params=flat(params), dataset="artifacts/split") as record:
        trained = train(
            root / "artifacts" / "split",
            params.train,
            classes=params.classes,
            on_epoch=lambda epoch: record.log_epoch(epoch.epoch, epoch.figures()),
        )
        page = render_report(trained, params.train)
        write_text(root / "reports" / "train.html", page)
        write_text(root / "plots" / "train" / "curves.csv", curves_csv(trained.history))
        write_json(root / "metrics" / "train.json", trained.metrics())
        weights = save_classifier(
            trained.classifier,
            trained.labels,
            fresh_folder(root / "artifacts" / "train"),
            image_size=trained.image_size,
            aspect=trained.aspect,
        )
        print(f"train: {trained.summary()}\ntrain: reports/train.html")  # noqa: T201
        # All is on disk from here on: what MLflow does not take can be recorded later.
        record.set_weights(file_digest(weights, "md5"))
        record.log_figure(curves_figure(trained.history), "plots/curves.png")
        record.log_text(page, "reports/train.html")
        record.log_model(trained.classifier)


if __name__ == "__main__":
    run("train", main)
