"""A head on the features of a frozen backbone: fitted to what is computed once, then put onto the backbone."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from pixmill.core.params import TrainParams
from pixmill.core.progress import announce
from pixmill.images.parts import Part, Shards
from pixmill.learn import build_head, extract_features, fuse
from pixmill.train.checkpoints import Checkpoint, Checkpoints, OnEpoch
from pixmill.train.fitting import fit, weights_of
from pixmill.train.history import Epoch, Timing

if TYPE_CHECKING:
    import keras

__all__ = ["Scaling", "fit_head", "fit_logistic"]

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
    def of(cls, features: Features) -> Scaling:
        """Return the scaling of features, looked at block by block."""
        blocks = range(0, len(features), _BLOCK)
        mean = sum(features[start : start + _BLOCK].sum(axis=0, dtype=np.float64) for start in blocks) / len(features)
        squares = sum(((features[start : start + _BLOCK] - mean) ** 2).sum(axis=0) for start in blocks)
        deviation = np.sqrt(squares / len(features))
        return cls(mean, np.where(deviation > 1e-7 * (1 + np.abs(mean)), deviation, 1.0))

    def applied(self, features: Features) -> npt.NDArray[np.float64]:
        """Return features with mean 0 and deviation 1."""
        scaled: npt.NDArray[np.float64] = features - self.mean
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
    until: int | None = None,
    what: str = "Train",
) -> Checkpoint:
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
        until: As of ``fit``; a logistic regression has one epoch.
        what: As of ``fit``.

    Returns:
        The finished training, with the weights of the whole classifier.

    Raises:
        TrainError: The weights of the backbone cannot be had, or the loss is no number any more.
        Interrupted: SIGINT or SIGTERM came; the last whole epoch is kept.
    """
    train_features, val_features = (
        extract_features(
            part.pixels,
            part.rows["id"].tolist(),
            params.backbone,
            scratch=scratch,
            threads=params.threads,
            seed=params.seed,
            root=root,
        )
        for part in (training, validation)
    )
    labels = int(classifier.output_shape[-1])
    if params.features.head == "logistic":
        begun = time.monotonic()
        kernel, bias = fit_logistic(train_features, training.targets, params, labels=labels)
        fuse(classifier, [kernel, bias])
        train_loss, train_accuracy = _figures(train_features @ kernel + bias, training.targets)
        val_loss, val_accuracy = _figures(val_features @ kernel + bias, validation.targets)
        epoch = Epoch(1, train_loss, train_accuracy, val_loss, val_accuracy)
        seconds = time.monotonic() - begun
        timing = Timing(int(time.time() * 1000), seconds, len(training) / seconds)
        on_epoch(epoch, timing)
        return Checkpoint([epoch], [timing], {}, weights_of(classifier), finished=True)
    scaling = Scaling.of(train_features)
    head = build_head(params, labels=labels, features=train_features.shape[1])
    fitted = fit(
        head,
        replace(training, pixels=cast("Shards", scaling.applied(train_features).astype(np.float32))),
        replace(validation, pixels=cast("Shards", scaling.applied(val_features).astype(np.float32))),
        params,
        checkpoints=checkpoints,
        on_epoch=on_epoch,
        until=until,
        what=what,
    )
    kernel, bias, *others = head.get_weights()
    fuse(classifier, [*scaling.folded(kernel, bias), *others])
    return replace(fitted, best=weights_of(classifier))


def fit_logistic(
    features: Features, targets: npt.NDArray[np.int32], params: TrainParams, *, labels: int
) -> tuple[Features, Features]:
    """Return kernel and bias of the logistic regression on scaled features, with the scaling folded in.

    It is the minimum of a convex function, found by L-BFGS with a fixed number of threads: no chance is in it.

    Args:
        features: Features, of shape (n, width). A copy in ``float64`` is made of them.
        targets: The class of each.
        params: The section ``train``.
        labels: How many classes there are.

    Returns:
        ``float32`` of shape (width, labels) and of shape (labels,), for features as they are.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    scaling = Scaling.of(features)
    model = LogisticRegression(
        C=params.features.inverse_regularization,
        class_weight="balanced" if params.class_weights else None,
        max_iter=_STEPS,
    )
    with threadpool_limits(params.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaling.applied(features), targets)
    if model.n_iter_.max() >= _STEPS:
        announce(
            f"train: the logistic regression was not at its end after {_STEPS:,} steps; a lower "
            "train.features.inverse_regularization in params.yaml makes it quicker"
        )
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # Of two classes it tells the difference alone.
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel, bias = np.zeros((features.shape[1], labels)), np.full(labels, _ABSENT)
    kernel[:, model.classes_] = coefficients.T
    bias[model.classes_] = intercepts
    folded_kernel, folded_bias = scaling.folded(kernel, bias)
    return folded_kernel, folded_bias


def _figures(logits: Features, targets: npt.NDArray[np.int32]) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy."""
    from scipy.special import log_softmax

    losses = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(targets)), targets]
    return float(losses.mean()), float((logits.argmax(axis=1) == targets).mean())
