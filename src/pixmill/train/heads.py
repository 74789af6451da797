"""A head on what a frozen backbone sees: fitted to features that are computed once, then put onto the backbone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from pixmill.backbones import features
from pixmill.models import build_head, fuse
from pixmill.params import TrainParams
from pixmill.parts import Part, Shards
from pixmill.progress import announce
from pixmill.train.checkpoint import Checkpoints
from pixmill.train.fitting import OnEpoch, fit
from pixmill.train.history import Epoch, Timing
from pixmill.train.precision import Choice

if TYPE_CHECKING:
    import keras

__all__ = ["Logistic", "Scaling", "fit_head", "fit_logistic"]

_STEPS = 1000
"""Most steps of the solver."""

_ABSENT = -100.0
"""The logarithm of how likely a class is of which there was no picture."""

_BLOCK = 4096
"""Pictures whose features are looked at together."""

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scaling:
    """Hold what makes each feature one of mean 0 and deviation 1.

    Args:
        mean: ``float64`` of shape (width,).
        deviation: ``float64`` of shape (width,); 1 where a feature is always the same.
    """

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    @classmethod
    def of(cls, seen: Features) -> Scaling:
        """Return the scaling of features, looked at block by block."""
        blocks = range(0, len(seen), _BLOCK)
        mean = sum(seen[start : start + _BLOCK].sum(axis=0, dtype=np.float64) for start in blocks) / len(seen)
        squares = sum(((seen[start : start + _BLOCK] - mean) ** 2).sum(axis=0) for start in blocks)
        deviation = np.sqrt(squares / len(seen))
        return cls(mean, np.where(deviation > 1e-7 * (1 + np.abs(mean)), deviation, 1.0))

    def applied(self, seen: Features) -> npt.NDArray[np.float64]:
        """Return features with mean 0 and deviation 1."""
        scaled: npt.NDArray[np.float64] = seen - self.mean
        # In place: of many pictures one copy is all that memory should have to hold.
        scaled /= self.deviation
        return scaled

    def folded(self, kernel: npt.NDArray[Any], bias: npt.NDArray[Any]) -> list[Features]:
        """Return a dense layer that does to features what the given one does to scaled features.

        Args:
            kernel: Shape (width, units).
            bias: Shape (units,).
        """
        scaled = kernel / self.deviation[:, None]
        return [scaled.astype(np.float32), (bias - self.mean @ scaled).astype(np.float32)]


@dataclass(frozen=True)
class Logistic:
    """Hold a fitted logistic regression, as the dense layer with a softmax that it is.

    Args:
        kernel: ``float32`` of shape (width, labels), for features as they are.
        bias: ``float32`` of shape (labels,).
    """

    kernel: Features
    bias: Features

    def log_probabilities(self, seen: Features) -> npt.NDArray[np.float64]:
        """Return the logarithm of how likely each class is, of shape (n, labels)."""
        logits = (seen @ self.kernel + self.bias).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        found: npt.NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return found


def fit_head(
    classifier: keras.Model,
    training: Part,
    validation: Part,
    params: TrainParams,
    *,
    scratch: Path,
    root: Path | None = None,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch = lambda *_: None,
    on_choice: Callable[[Choice], None] = lambda _: None,
    until: int | None = None,
    what: str = "Train",
) -> list[Epoch]:
    """Fit the head of a classifier whose backbone is frozen, as :func:`pixmill.train.fitting.fit` does a whole one.

    Pictures go through the backbone once, and not at all where their features are known; they are not changed at
    random. A logistic regression is one epoch, from all pictures at once; a small network goes on in epochs.

    Args:
        classifier: A fresh classifier of the model ``features``; it is left with the fitted head.
        training: What it learns from.
        validation: What tells when it gets no better.
        params: The section ``train``.
        scratch: Where features are kept.
        root: The project's folder, which a file of weights is relative to; default: the current one.
        checkpoints: Where each epoch of a small network is kept; default: nowhere.
        on_epoch: As of ``fit``.
        on_choice: As of ``fit``.
        until: As of ``fit``; a logistic regression has one epoch.
        what: As of ``fit``.

    Returns:
        The figures of each epoch.

    Raises:
        TrainError: The weights of the backbone cannot be had, or the loss is no number any more.
        Interrupted: SIGINT or SIGTERM came; the last whole epoch is kept.
    """

    def look(part: Part) -> Features:
        ids = part.rows["id"].tolist()
        return features(
            part.pixels,
            ids,
            params.backbone,
            scratch=scratch,
            threads=params.threads,
            seed=params.seed,
            root=root,
        )

    seen = {part.name: look(part) for part in (training, validation)}
    trained, checked = seen[training.name], seen[validation.name]
    labels = int(classifier.output_shape[-1])
    if params.features.head == "logistic":
        begun = time.monotonic()
        fitted = fit_logistic(trained, training.targets, params, labels=labels)
        fuse(classifier, [fitted.kernel, fitted.bias])
        epoch = _epoch(fitted, (trained, training.targets), (checked, validation.targets))
        seconds = time.monotonic() - begun
        on_epoch(epoch, Timing(int(time.time() * 1000), seconds, len(training) / seconds))
        return [epoch]
    scaling = Scaling.of(trained)
    head = build_head(params, labels=labels, features=trained.shape[1])
    history = fit(
        head,
        _scaled(training, trained, scaling),
        _scaled(validation, checked, scaling),
        params,
        checkpoints=checkpoints,
        on_epoch=on_epoch,
        on_choice=on_choice,
        until=until,
        what=what,
    )
    kernel, bias, *others = head.get_weights()
    fuse(classifier, [*scaling.folded(kernel, bias), *others])
    return history


def fit_logistic(seen: Features, targets: npt.NDArray[np.int32], params: TrainParams, *, labels: int) -> Logistic:
    """Return the logistic regression on scaled features, with the scaling folded in.

    It is the minimum of a convex function, found by L-BFGS with a fixed number of threads: no chance is in it.

    Args:
        seen: Features, of shape (n, width). A copy in ``float64`` is made of them.
        targets: The class of each.
        params: The section ``train``.
        labels: How many classes there are.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    scaling = Scaling.of(seen)
    model = LogisticRegression(
        C=params.features.inverse_regularization,
        class_weight="balanced" if params.class_weights else None,
        max_iter=_STEPS,
    )
    with threadpool_limits(params.threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(scaling.applied(seen), targets)
    if any(issubclass(each.category, ConvergenceWarning) for each in caught):
        announce(
            f"train: the logistic regression was not at its end after {_STEPS:,} steps; a lower "
            "train.features.inverse_regularization in params.yaml makes it quicker"
        )
    found, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # Of two classes it tells the difference alone.
        found, intercepts = np.concatenate([-found, found]) / 2, np.concatenate([-intercepts, intercepts]) / 2
    kernel, bias = np.zeros((seen.shape[1], labels)), np.full(labels, _ABSENT)
    kernel[:, model.classes_] = found.T
    bias[model.classes_] = intercepts
    return Logistic(*scaling.folded(kernel, bias))


def _epoch(fitted: Logistic, training: tuple[Features, Any], validation: tuple[Features, Any]) -> Epoch:
    def figures(seen: Features, targets: npt.NDArray[np.int32]) -> tuple[float, float]:
        loss = right = 0.0
        for start in range(0, len(seen), _BLOCK):
            wanted = targets[start : start + _BLOCK]
            logarithms = fitted.log_probabilities(seen[start : start + _BLOCK])
            loss -= float(logarithms[np.arange(len(wanted)), wanted].sum())
            right += float((logarithms.argmax(axis=1) == wanted).sum())
        return loss / len(seen), right / len(seen)

    train_loss, train_accuracy = figures(*training)
    val_loss, val_accuracy = figures(*validation)
    return Epoch(1, train_loss=train_loss, train_accuracy=train_accuracy, val_loss=val_loss, val_accuracy=val_accuracy)


class _Scaled:
    """Index features as if they had been scaled, batch by batch.

    Args:
        seen: Features, of shape (n, width).
        scaling: Their scaling.
    """

    def __init__(self, seen: Features, scaling: Scaling) -> None:
        self._seen, self._scaling = seen, scaling
        self.shape = seen.shape
        self.dtype = seen.dtype

    def __len__(self) -> int:
        return len(self._seen)

    def __getitem__(self, key: Any) -> Features:
        return self._scaling.applied(self._seen[key]).astype(np.float32)


def _scaled(part: Part, seen: Features, scaling: Scaling) -> Part:
    """Return a part whose pictures are their features."""
    return replace(part, pixels=cast("Shards", _Scaled(seen, scaling)))
