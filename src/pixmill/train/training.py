"""The stage's one function: packed pictures in, a fitted classifier out."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from pixmill.errors import ManifestError
from pixmill.files import read_json
from pixmill.models import build_classifier, fix_threads
from pixmill.params import TrainParams
from pixmill.parts import load_parts
from pixmill.train.checkpoint import Checkpoints
from pixmill.train.fitting import OnEpoch, fit
from pixmill.train.folds import Fold, FoldResult, fold_metrics, folds_of
from pixmill.train.heads import fit_head
from pixmill.train.history import Epoch, Monitor, best_of
from pixmill.train.memory import enough_memory
from pixmill.train.precision import Choice
from pixmill.train.samples import Samples, draw_samples
from pixmill.train.strategy import choose_strategy

if TYPE_CHECKING:
    import keras

__all__ = ["OnEpoch", "OnFold", "Preprocessing", "Trained", "train"]


class Preprocessing(TypedDict):
    """Say how a picture becomes what the model takes."""

    image_size: int
    aspect: str
    resize: str


OnFold = Callable[[int], AbstractContextManager[OnEpoch]]
"""What is opened for each fold, by its number from 0; what it yields is called after each of the fold's epochs."""


@dataclass(frozen=True)
class Trained:
    """Hold a fitted classifier and how it came about.

    Args:
        classifier: The graph that is used, uncompiled, with the best epoch's weights.
        labels: The classes, in the order of its outputs.
        history: The figures of each epoch.
        pictures: Pictures by part.
        preprocessing: Side of the pictures in pixels, how a picture becomes square, and the filter that resizes it.
        monitor: What tells the best epoch.
        folds: What came of each fold; none where there was no cross-validation.
        samples: Training pictures as the model saw them.
        choice: What it was computed with, and what was measured to choose that.
    """

    classifier: keras.Model
    labels: tuple[str, ...]
    history: tuple[Epoch, ...]
    pictures: dict[str, int]
    preprocessing: Preprocessing
    monitor: Monitor
    folds: tuple[FoldResult, ...]
    samples: Samples
    choice: Choice

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return best_of(self.history, self.monitor)

    @property
    def solved(self) -> bool:
        """Whether the end was solved at once, so that there were no epochs."""
        return self.best.learning_rate is None

    @property
    def parameters(self) -> int:
        """Numbers in the classifier."""
        return int(self.classifier.count_params())

    @property
    def trainable(self) -> int:
        """Those of them that training fits."""
        return sum(int(weight.numpy().size) for weight in self.classifier.trainable_weights)

    def metrics(self) -> dict[str, Any]:
        """Return what a reviewer compares: the best epoch's figures, how large and how long, and the folds."""
        epochs = {} if self.solved else {"best_epoch": self.best.epoch, "epochs": len(self.history)}
        return {
            **self.best.figures(),
            **epochs,
            "parameters": self.parameters,
            "trainable": self.trainable,
            **fold_metrics(self.folds),
        }

    def record(self) -> dict[str, float]:
        """Return what runs are compared by: :meth:`metrics` by names that no curve has, and what was measured."""
        figures = {name: value for name, value in self.metrics().items() if name not in self.best.figures()}
        folds = {f"folds.{name}": value for name, value in figures.pop("folds", {}).items()}
        best = {f"best_{name}": value for name, value in self.best.figures().items() if name.startswith("val_")}
        rates = {f"{name}_images_per_second": rate for name, rate in self.choice.rates.items()}
        return {**figures, **best, **folds, **rates}

    def summary(self) -> str:
        """Return in one line how it went."""
        figures = f"validation accuracy {self.best.val_accuracy:.3f}, loss {self.best.val_loss:.3f}"
        if self.solved:
            return f"{figures}; {self.trainable:,} of {self.parameters:,} parameters fitted, in one go"
        epoch = f"epoch {self.best.epoch} of {len(self.history)} was the best"
        return f"{epoch}: {figures}; {self.parameters:,} parameters"


@contextlib.contextmanager
def _nobody(_: int) -> Any:
    yield lambda *_: None


def train(
    folder: Path,
    params: TrainParams,
    *,
    classes: Sequence[str],
    root: Path | None = None,
    scratch: Path | None = None,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch = lambda *_: None,
    on_fold: OnFold = _nobody,
) -> Trained:
    """Fit a classifier to what split packed.

    The number of threads is fixed for the rest of this process.

    Args:
        folder: ``artifacts/split``.
        params: The section ``train``.
        classes: The labels, in the order of the params.
        root: The project's folder, where a file of pretrained weights is looked for; default: the current one.
        scratch: Where features of pictures are kept, for this training and others; default: nowhere.
        checkpoints: Where each epoch is kept, and what a killed training goes on from; default: nowhere.
        on_epoch: Called after each epoch; default: nothing.
        on_fold: Opened for each fold; default: nothing.

    Raises:
        ManifestError: The folder is not whole, or was written for other classes.
        TrainError: The model does not fit the pictures, or the loss is no number any more.
        Interrupted: SIGINT or SIGTERM came; the last whole epoch is kept.
    """
    preprocessing = _preprocessing(folder / "preprocessing.json")
    image_size = preprocessing["image_size"]
    parts = load_parts(folder, classes, side=image_size, names=("train", "val"))
    folds = list(folds_of(parts["train"], parts["val"])) if params.cross_validation else []
    fix_threads(params.threads)

    def fresh() -> keras.Model:
        return build_classifier(params, labels=len(classes), image_size=image_size, root=root)

    # A head that is solved at once asks for none.
    choices = [Choice("float32", {})]
    results = []
    with choose_strategy(params=params).scope(), enough_memory(), _fitter(params, root, scratch) as fitted:
        classifier = fresh()
        history = fitted(
            classifier,
            parts["train"],
            parts["val"],
            params,
            checkpoints=checkpoints,
            on_epoch=on_epoch,
            on_choice=choices.append,
        )
        until = best_of(history, params.monitor).epoch
        # What was measured once holds for the folds.
        settled = params.model_copy(update={"precision": choices[-1].precision})
        for fold in folds:
            kept = checkpoints.within(f"fold-{fold.number}") if checkpoints else None
            with on_fold(fold.number) as on_its_epoch:
                what = f"Train fold {fold.number + 1} of {len(folds)}"
                follow = partial(fitted, params=settled, on_epoch=on_its_epoch, until=until, what=what)
                results.append(_cross_validate(fold, fresh, follow, kept, on_its_epoch, until))
    return Trained(
        classifier=classifier,
        labels=tuple(classes),
        history=tuple(history),
        pictures={name: len(part) for name, part in parts.items()},
        preprocessing=preprocessing,
        monitor=params.monitor,
        folds=tuple(results),
        samples=draw_samples(parts["train"], params, labels=classes),
        choice=choices[-1],
    )


@contextlib.contextmanager
def _fitter(params: TrainParams, root: Path | None, scratch: Path | None) -> Iterator[Callable[..., list[Epoch]]]:
    """Yield what fits this kind of model."""
    if params.model != "features":
        yield fit
        return
    with contextlib.ExitStack() as stack:
        folder = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield partial(fit_head, scratch=folder / "features", root=root)


def _cross_validate(
    fold: Fold,
    fresh: Callable[[], keras.Model],
    fitted: Callable[..., list[Epoch]],
    checkpoints: Checkpoints | None,
    on_epoch: OnEpoch,
    until: int,
) -> FoldResult:
    """Fit the model without a fold, and see how well it tells that.

    It is fitted for as many epochs as the best one's number: were the best epoch chosen by the fold itself, the fold
    would be told better than new pictures.
    """
    done = checkpoints.load() if checkpoints else None
    if done and len(done.history) == until:
        history = done.history
        for epoch, timing in zip(done.history, done.timings, strict=True):
            on_epoch(epoch, timing)
    else:
        if checkpoints and done and (len(done.history) > until or not done.state):
            # Kept beside another best epoch (`train.minutes` goes by the clock): nothing leads from there to this one.
            checkpoints.remove()
        history = fitted(fresh(), fold.training, fold.validation, checkpoints=checkpoints)
    if checkpoints:
        checkpoints.settle()
    return FoldResult(fold.number, accuracy=history[-1].val_accuracy, loss=history[-1].val_loss)


def _preprocessing(path: Path) -> Preprocessing:
    match read_json(path, stage="split"):
        case {"image_size": int(image_size), "aspect": str(aspect), "resize": str(resize)}:
            return {"image_size": image_size, "aspect": aspect, "resize": resize}
    raise ManifestError(f"{path} does not say how the pictures were prepared", next="dvc repro -f split")
