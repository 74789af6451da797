"""Fit the classifier that params.yaml describes, and record the run."""

from functools import partial

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import (
    file_digest,
    fresh_folder,
    write_bytes,
    write_figures,
    write_text,
)
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.heads import head_of
from pixmill.models.held_out import save_calibration, save_held_out
from pixmill.models.litert_export import export_classifier
from pixmill.models.mlflow_format.saving import save_classifier_model, save_keras_model
from pixmill.models.model_folder import save_classifier
from pixmill.models.networks import describe_model
from pixmill.models.novelty import save_novelty
from pixmill.models.preset_files import describe_preset
from pixmill.tracking.run_recorder import RunRecorder
from pixmill.tracking.stage_runs import training_run
from pixmill.train import Callback, Trained, curves_csv, learning_curve_csv, train
from pixmill.train.history import Epoch, Timing
from pixmill.train.page.report import render_report
from pixmill.train.page.samples import draw_samples


class EpochLogger(Callback):
    """Record each epoch in a run; iterations of a solver have no timing.

    Args:
        run: Run of the training.
    """

    def __init__(self, run: RunRecorder) -> None:
        self._run = run

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Record metrics and timing of an epoch."""
        figures = epoch.figures()
        if epoch.learning_rate is not None:
            figures |= {
                "epoch_seconds": timing.seconds,
                "images_per_second": timing.images_per_second,
            }
        self._run.log_metrics(figures, step=epoch.epoch, timestamp=timing.ended)


def main(workspace: Workspace, params: Params) -> None:
    """Write ``artifacts/train``, its page, its metrics and its curves; record the run in MLflow."""
    root = workspace.root
    split = workspace.root / "artifacts" / "split"
    scratch = workspace.scratch("train")
    with training_run(workspace, params=params) as record:
        callback = EpochLogger(record)
        trained = train(
            split,
            params.train,
            head=head_of(params.task),
            classes=params.classes,
            root=root,
            scratch=scratch,
            callback=callback,
        )
        _write(workspace, params, trained, record)


def _write(workspace: Workspace, params: Params, trained: Trained, record: RunRecorder) -> None:
    """Write the results, then record the run."""
    root = workspace.root
    folder = fresh_folder(workspace.root / "artifacts" / "train")
    settings = params.train
    samples = draw_samples(
        trained.training, params.train, head=trained.head, labels=trained.labels, root=root
    )
    write_text(
        root / "reports" / "train.html", render_report(trained, settings, samples, root=root)
    )
    tables = {
        "curves": curves_csv(trained.history),
        "learning_curve": learning_curve_csv(trained.learning_curve),
    }
    write_figures(root, "train", headline=trained.headline(), full=trained.metrics(), tables=tables)
    write_bytes(folder / "samples.jpg", samples.sheet())
    weights = save_classifier(
        trained.classifier,
        trained.labels,
        folder,
        **trained.preprocessing,
        task=trained.head.task,
    )
    backbone = settings.kind.backbone
    preset = None if backbone is None else describe_preset(backbone)
    if preset is not None:
        write_text(folder / "preset.txt", f"{preset}\n")
    if trained.novelty is not None:
        save_novelty(folder, trained.novelty)
    scratch = workspace.scratch("train") / "features"
    export_classifier(
        trained.classifier, settings, folder, scratch=scratch, novelty=trained.novelty, root=root
    )
    held_out = trained.held_out(folder)
    save_held_out(folder, held_out, trained.labels)
    save_calibration(folder, held_out, trained.head, settings, trained.labels)
    print(f"train: {trained.summary()}\ntrain: reports/train.html")
    if caution := trained.caution():
        announce(f"warning: {caution}")
    # All results are on disk now; runs that MLflow does not accept can be recorded later.
    record.set_weights(file_digest(weights, "md5"))
    record.log_metrics(trained.record())
    record.describe(f"{describe_model(settings)}: {trained.summary()}")
    plots = [
        path.relative_to(root).as_posix() for path in sorted((root / "plots" / "train").iterdir())
    ]
    for name in ("artifacts/train/samples.jpg", *plots, "reports/train.html"):
        record.log_file(root / name, name)
    if not settings.kind.on_features:  # "classifier" contains the frozen backbone already.
        record.log_model("keras", partial(save_keras_model, trained.classifier))
    record.log_model("classifier", partial(save_classifier_model, folder))
