"""A head on a frozen backbone: fitted to features that are computed once, then attached to the backbone."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.core.progress import announce
from pixmill.images.parts import Part, Shards
from pixmill.learn import build_head, fuse, part_features
from pixmill.train.checkpoints import Checkpoint, Checkpoints, OnEpoch
from pixmill.train.fitting import fit, weights_of
from pixmill.train.history import Epoch, Timing

if TYPE_CHECKING:
    import keras

__all__ = ["Logistic", "Scaling", "features_of", "fine_tune", "fit_head", "fit_logistic", "logistic_answers"]

_STEPS = 1000
"""Maximum iterations of the solver."""

_ABSENT = -100.0
"""The logit of a class without training images."""

_BLOCK = 4096
"""Images per block."""

Features = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Scaling:
    """Hold the mean and standard deviation that standardise each feature.

    Args:
        mean: ``float64`` of shape (width,).
        deviation: ``float64`` of shape (width,); 1 for a constant feature.
    """

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    @classmethod
    def of(cls, features: Features) -> Scaling:
        """Return the scaling of features, computed block by block."""
        blocks = range(0, len(features), _BLOCK)
        mean = sum(features[start : start + _BLOCK].sum(axis=0, dtype=np.float64) for start in blocks) / len(features)
        squares = sum(((features[start : start + _BLOCK] - mean) ** 2).sum(axis=0) for start in blocks)
        deviation = np.sqrt(squares / len(features))
        return cls(mean, np.where(deviation > 1e-7 * (1 + np.abs(mean)), deviation, 1.0))

    def applied(self, features: Features) -> npt.NDArray[np.float64]:
        """Return standardised features."""
        scaled: npt.NDArray[np.float64] = features - self.mean
        # In place, so that memory holds a single copy.
        scaled /= self.deviation
        return scaled

    def folded(self, kernel: npt.NDArray[Any], bias: npt.NDArray[Any]) -> list[Features]:
        """Return a dense layer on raw features that is equivalent to the given one on scaled features.

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

    Images pass through the backbone once, or not at all if their features are cached; they are not augmented. A small
    network trains in epochs; for a logistic regression, each iteration of the solver counts as one epoch.

    Args:
        classifier: A fresh classifier of the model ``features``; it receives the fitted head.
        training: The training split.
        validation: The validation split, used for early stopping and to choose the best epoch.
        params: The section ``train``.
        scratch: Folder of the feature cache.
        root: The project folder, to which a weights file is relative; default: the current one.
        checkpoints: Where each epoch of a small network is saved; default: nowhere.
        on_epoch: As in ``fit``.
        until: As in ``fit``; a logistic regression always runs to convergence.
        what: As in ``fit``.

    Returns:
        The finished training, with the weights of the whole classifier.

    Raises:
        TrainError: The backbone's weights are not available, or the loss is not finite.
        Interrupted: SIGINT or SIGTERM arrived; the last complete epoch is kept.
    """
    train_features, val_features = (
        features_of(part, params=params, scratch=scratch, root=root) for part in (training, validation)
    )
    labels = int(classifier.output_shape[-1])
    if params.features.head == "logistic":
        kernel, bias, history, timings = fit_logistic(
            train_features, training.targets, params, labels=labels, validation=(val_features, validation.targets)
        )
        fuse(classifier, [kernel, bias])
        for epoch, timing in zip(history, timings, strict=True):
            on_epoch(epoch, timing)
        return Checkpoint(history, timings, {}, weights_of(classifier), finished=True)
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


def fine_tune(
    classifier: keras.Model,
    training: Part,
    validation: Part,
    params: TrainParams,
    *,
    scratch: Path,
    root: Path | None = None,
    **options: Any,
) -> Checkpoint:
    """Fit a classifier with its backbone, starting with the logistic regression on the features of the latter.

    A head with random weights would first distort the pretrained features.

    Source: Kumar, Raghunathan, Jones, Ma and Liang, "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", ICLR 2022 (LP-FT).

    Args:
        classifier: A fresh classifier of the model ``backbone``, whose head is one dense layer.
        training: The training split.
        validation: The validation split, used for early stopping and to choose the best epoch.
        params: The section ``train``.
        scratch: Folder of the feature cache.
        root: The project folder, to which a weights file is relative; default: the current one.
        options: Those of :func:`pixmill.train.fitting.fit`.

    Raises:
        TrainError: The backbone's weights are not available, or the loss is not finite.
        Interrupted: SIGINT or SIGTERM arrived; the last complete epoch is kept.
    """
    features = features_of(training, params=params, scratch=scratch, root=root)
    start = fit_logistic(features, training.targets, params, labels=int(classifier.output_shape[-1]))
    fuse(classifier, [start.kernel, start.bias])
    return fit(classifier, training, validation, params, root=root, **options)


def features_of(*parts: Part, params: TrainParams, scratch: Path, root: Path | None) -> Features:
    """Return the features of the splits' images in turn, of shape (n, width), computed unless cached."""
    backbone, threads, seed = params.backbone, params.threads, params.seed
    return part_features(parts, backbone, scratch=scratch, threads=threads, seed=seed, root=root)


def logistic_answers(
    training: Part, validation: Part, params: TrainParams, *, labels: int, scratch: Path, root: Path | None = None
) -> Callable[..., npt.NDArray[np.integer]]:
    """Return a function that fits a logistic regression to some rows of the training split.

    Features are first needed when it is called.

    Args:
        training: The training split.
        validation: The validation split, whose predicted classes it returns.
        params: The section ``train``.
        labels: How many classes there are.
        scratch: Folder of the feature cache.
        root: The project folder, to which a weights file is relative; default: the current one.
    """

    @functools.cache
    def features() -> list[Features]:
        return [features_of(part, params=params, scratch=scratch, root=root) for part in (training, validation)]

    def answer(rows: npt.NDArray[np.int64], _: Checkpoints | None = None) -> npt.NDArray[np.integer]:
        known, asked = features()
        fitted = fit_logistic(known[rows], training.targets[rows], params, labels=labels)
        classes: npt.NDArray[np.integer] = (asked @ fitted.kernel + fitted.bias).argmax(axis=1)
        return classes

    return answer


class Logistic(NamedTuple):
    """Hold a fitted logistic regression for unscaled features.

    Args:
        kernel: ``float32`` of shape (width, labels).
        bias: ``float32`` of shape (labels,).
        history: The metrics after each iteration of the solver; the last are those of the result.
        timings: When each iteration ended.
    """

    kernel: Features
    bias: Features
    history: list[Epoch]
    timings: list[Timing]


def fit_logistic(
    features: Features,
    targets: Targets,
    params: TrainParams,
    *,
    labels: int,
    validation: tuple[Features, Targets] | None = None,
) -> Logistic:
    """Fit a logistic regression to scaled features, and fold the scaling in.

    It minimises the convex objective of scikit-learn's ``LogisticRegression`` by L-BFGS with a fixed number of threads,
    so it is deterministic. SciPy is called directly, since scikit-learn does not report iterations.

    Args:
        features: Features, of shape (n, width); copied to ``float64``.
        targets: The class of each image.
        params: The section ``train``.
        labels: How many classes there are.
        validation: Features and classes on which each iteration is validated. Default: none, and no history.

    Raises:
        TrainError: The features or the loss are not finite.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    scaling = Scaling.of(features)
    scaled = scaling.applied(features)
    classes, places, counts = np.unique(targets, return_inverse=True, return_counts=True)
    weights = (len(targets) / (len(classes) * counts))[places] if params.class_weights else np.ones(len(targets))
    loss = _Penalized(scaled, places, weights / weights.sum(), params.features.inverse_regularization * weights.sum())
    measured, actual = (None, targets) if validation is None else (scaling.applied(validation[0]), validation[1])
    history: list[Epoch] = []
    timings: list[Timing] = []
    begun = time.monotonic()

    def note(solution: npt.NDArray[np.float64]) -> None:
        nonlocal begun
        train_loss, train_accuracy = _figures(_spread(loss.logits(solution), classes, labels), targets)
        val_loss, val_accuracy = _figures(_spread(loss.logits(solution, measured), classes, labels), actual)
        history.append(Epoch(len(history) + 1, train_loss, train_accuracy, val_loss, val_accuracy))
        seconds, begun = time.monotonic() - begun, time.monotonic()
        timings.append(Timing(int(time.time() * 1000), seconds, len(targets) / max(seconds, 1e-9)))

    with threadpool_limits(params.threads):
        # Limits and tolerances are those of scikit-learn 1.7.
        options = {"maxiter": _STEPS, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
        callback = None if validation is None else note
        found = minimize(loss, loss.start(), method="L-BFGS-B", jac=True, callback=callback, options=options)
    if not np.isfinite(found.fun):
        raise TrainError(
            "the logistic regression has no finite loss: some features are not finite",
            next="choose another train.backbone.name or its weights in params.yaml, then: dvc repro train",
        )
    if not found.success:
        announce(
            f"train: the logistic regression did not converge ({found.message}); a lower "
            "train.features.inverse_regularization in params.yaml makes it converge faster"
        )
    solved, intercepts = loss.parts(found.x)
    kernel, bias = np.zeros((features.shape[1], labels)), np.full(labels, _ABSENT)
    kernel[:, classes], bias[classes] = solved, intercepts
    folded_kernel, folded_bias = scaling.folded(kernel, bias)
    if callback and not history:  # It started at the minimum: there is one class only, or all features are constant.
        note(found.x)
    return Logistic(folded_kernel, folded_bias, history, timings)


class _Penalized:
    """Compute the mean cross-entropy of a linear softmax with an L2 penalty, and its gradient.

    Args:
        features: Shape (n, width).
        places: The index of each image's class among those that occur.
        weights: The weight of each image; they sum to 1.
        strength: C times the sum of the weights before normalisation.
    """

    def __init__(
        self, features: npt.NDArray[np.float64], places: npt.NDArray[np.intp], weights: Any, strength: float
    ) -> None:
        self._features, self._places, self._weights = features, places, weights
        self._classes = int(places.max()) + 1
        # For two classes scikit-learn fits only the difference, whose penalty is twice that of both halves.
        self._penalty = (2 if self._classes == 2 else 1) / strength
        self._last: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None

    def start(self) -> npt.NDArray[np.float64]:
        return np.zeros((self._features.shape[1] + 1) * self._classes)

    def parts(self, solution: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return kernel and bias."""
        both = solution.reshape(-1, self._classes)
        return both[:-1], both[-1]

    def logits(self, solution: npt.NDArray[np.float64], features: Any = None) -> npt.NDArray[np.float64]:
        if features is None and self._last is not None and np.array_equal(self._last[0], solution):
            return self._last[1]
        kernel, bias = self.parts(solution)
        result: npt.NDArray[np.float64] = (self._features if features is None else features) @ kernel + bias
        return result

    def __call__(self, solution: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        from scipy.special import log_softmax

        kernel, _ = self.parts(solution)
        logits = self.logits(solution)
        self._last = (solution.copy(), logits)
        logarithms = log_softmax(logits, axis=1)
        rows = np.arange(len(logits))
        loss = -float(self._weights @ logarithms[rows, self._places]) + 0.5 * self._penalty * float((kernel**2).sum())
        errors = np.exp(logarithms)
        errors[rows, self._places] -= 1
        errors *= self._weights[:, None]
        gradient = np.vstack([self._features.T @ errors + self._penalty * kernel, errors.sum(axis=0)])
        return loss, gradient.ravel()


def _spread(logits: npt.NDArray[np.float64], classes: Any, labels: int) -> npt.NDArray[np.float64]:
    """Return logits of all classes from those of the classes that occur."""
    result = np.full((len(logits), labels), _ABSENT)
    result[:, classes] = logits
    return result


def _figures(logits: npt.NDArray[np.float64], targets: Targets) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy."""
    from scipy.special import log_softmax

    losses = -log_softmax(logits, axis=1)[np.arange(len(targets)), targets]
    return float(losses.mean()), float((logits.argmax(axis=1) == targets).mean())
