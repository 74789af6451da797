"""A head on a frozen backbone: fitted to features that are computed once, then attached to the backbone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pixmill.core.params import TrainParams
from pixmill.images.parts import Part, Shards
from pixmill.learn.features import part_features
from pixmill.learn.networks import build_head, fuse
from pixmill.learn.tensorflow import keras
from pixmill.train.checkpoints import Checkpoint, Checkpoints, OnEpoch
from pixmill.train.fitting import fit, weights_of
from pixmill.train.logistic import fit_logistic
from pixmill.train.scaling import Features, Scaled, Scaling


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
            train_features,
            training.targets,
            params,
            labels=labels,
            validation=(val_features, validation.targets),
            what=what,
        )
        fuse(classifier, [kernel, bias])
        for epoch, timing in zip(history, timings, strict=True):
            on_epoch(epoch, timing)
        return Checkpoint(history, timings, {}, weights_of(classifier), finished=True)
    scaling = Scaling.of(train_features)
    head = build_head(params, labels=labels, features=train_features.shape[1])
    fitted = fit(
        head,
        replace(training, pixels=cast("Any", Scaled(train_features, scaling))),
        replace(validation, pixels=cast("Any", Scaled(val_features, scaling))),
        params,
        checkpoints=checkpoints,
        on_epoch=on_epoch,
        until=until,
        what=what,
    )
    kernel, bias, *others = head.get_weights()
    layer = [part.astype(np.float32) for part in scaling.fold_into(kernel, bias)]
    fuse(classifier, [*layer, *others])
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
        # Not `known[rows]`, which copies up to all features.
        chosen = cast("Any", Shards([known], rows=rows))
        what = f"Train on {len(rows):,} images"
        fitted = fit_logistic(chosen, training.targets[rows], params, labels=labels, what=what)
        classes: npt.NDArray[np.integer] = (asked @ fitted.kernel + fitted.bias).argmax(axis=1)
        return classes

    return answer
