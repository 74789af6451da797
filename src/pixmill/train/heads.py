"""Heads on a backbone: fitted to features that are computed once, then attached to the backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pixmill.images.parts import Part, Shards
from pixmill.models.features import part_features
from pixmill.models.heads import features_of, head_features
from pixmill.models.layers import feature_layers, last_features, several_layers
from pixmill.models.networks import build_head, fuse
from pixmill.models.scaling import Features, Scaled, Scaling
from pixmill.models.tensorflow import keras
from pixmill.train.checkpoints import Checkpoint
from pixmill.train.fitting import FitData, Fitted, Fitter, weights_of
from pixmill.train.logistic import fit_logistic, fit_path

_BATCH = 1024
"""Images whose features are in memory at a time."""


class _FeatureFitter(Fitter):
    """Fit classifiers with the features of their backbone, which are computed unless cached."""

    def features_of(self, *parts: Part) -> Features:
        """Return the features of the splits' images in turn, of shape (n, width)."""
        params = self.params
        origin = {"seed": params.seed, "layers": feature_layers(params), "root": self.root}
        return part_features(parts, params.backbone, scratch=self.scratch, threads=params.threads, **origin)


class HeadFitter(_FeatureFitter):
    """Fit the head of a classifier whose backbone is frozen.

    Images pass through the backbone once, or not at all if their features are cached; they are not augmented. A small
    network trains in epochs; for a logistic regression, each iteration of the solver counts as one epoch.
    """

    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh head, and attach it to the backbone."""
        # Before any other network: Keras numbers its tensors, and the exported file names one.
        classifier, training, validation = self.build(), data.training, data.validation
        every = self.features_of(training, validation, *([data.test] if data.test else []))
        # No copies: they may lie in a file.
        train_features, val_features = np.split(every[: len(training) + len(validation)], [len(training)])
        if self.params.features.head == "logistic":
            kernel, bias, history, timings = fit_logistic(
                train_features,
                training.targets,
                self.params,
                labels=self.labels,
                validation=(val_features, validation.targets),
                what=data.what,
            )
            fuse(classifier, [kernel, bias])
            for epoch, timing in zip(history, timings, strict=True):
                data.callback.on_epoch_end(epoch, timing)
            fitted = Checkpoint(history, timings, {}, weights_of(classifier), finished=True)
            return Fitted(classifier, fitted, val_features)
        scaling = Scaling.of(train_features, several=several_layers(self.params))
        head = build_head(self.params, labels=self.labels, features=train_features.shape[1])

        def scale(part: Part, features: Features) -> Part:
            return replace(part, pixels=cast("Any", Scaled(features, scaling)))

        inputs = replace(data, training=scale(training, train_features), validation=scale(validation, val_features))
        fitted = self.fit_network(head, inputs)
        kernel, bias, *others = head.get_weights()
        layer = [part.astype(np.float32) for part in scaling.fold_into(kernel, bias)]
        fuse(classifier, [*layer, *others])
        return Fitted(classifier, replace(fitted, best=weights_of(classifier)), val_features)

    def fit_strengths(self, data: FitData, strengths: Sequence[float]) -> npt.NDArray[np.float64]:
        """Fit the logistic regression for each of several C, and answer for the validation split.

        Args:
            data: The images.
            strengths: The C, ascending.

        Returns:
            The logarithms of the probabilities, of shape (C, images, labels).
        """
        known, asked = (self.features_of(part) for part in (data.training, data.validation))
        return fit_path(known, data.training.targets, self.params, strengths, labels=self.labels, asked=asked)

    def answer(self, classifier: keras.Model, part: Part) -> npt.NDArray[np.float32]:
        """Do so from the images' features."""
        head = keras.Model(features_of(classifier), classifier.output)
        features = self.features_of(part)
        batches = (features[start : start + _BATCH] for start in range(0, len(features), _BATCH))
        return np.concatenate([np.asarray(head(batch, training=False), np.float32) for batch in batches])

    def novelty_features(self, training: Part, classifier: keras.Model) -> Features:
        """Return the stored ones of the top."""
        width = last_features(head_features(classifier)).shape[-1]
        return self.features_of(training)[:, -width:]

    def fit_shares(self, data: FitData) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.integer]]:
        """Return a function that fits the logistic regression to some rows of the training split.

        It returns the classes that the model predicts for the validation split.

        Args:
            data: The images.
        """
        known, asked = (self.features_of(part) for part in (data.training, data.validation))

        def answer(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.integer]:
            # Not `known[rows]`, which copies up to all features.
            chosen = cast("Any", Shards([known], rows=rows))
            targets, what = data.training.targets[rows], f"Train on {len(rows):,} images"
            fitted = fit_logistic(chosen, targets, self.params, labels=self.labels, what=what)
            classes: npt.NDArray[np.integer] = (asked @ fitted.kernel + fitted.bias).argmax(axis=1)
            return classes

        return answer


class FineTuner(_FeatureFitter):
    """Fit a classifier with its backbone, starting with the logistic regression on the features of the latter.

    A head with random weights would first distort the pretrained features.

    Source: Kumar, Raghunathan, Jones, Ma and Liang, "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", ICLR 2022 (LP-FT).
    """

    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh classifier of the model ``backbone``, whose head is one dense layer."""
        classifier, targets = self.build(), data.training.targets
        start = fit_logistic(self.features_of(data.training), targets, self.params, labels=self.labels)
        fuse(classifier, [start.kernel, start.bias])
        return Fitted(classifier, self.fit_network(classifier, data))
