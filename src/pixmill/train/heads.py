"""Fitters of heads on a backbone, whose features are computed once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from pixmill.heads.head import Targets
from pixmill.images.parts import Part, Shards
from pixmill.metrics.arrays import Ints
from pixmill.models.features import part_features
from pixmill.models.layers import (
    features_of,
    head_features,
    last_features,
    origin_of,
    several_layers,
)
from pixmill.models.networks import build_head, set_head_weights
from pixmill.models.scaling import Features, Scaled, Scaling
from pixmill.models.tensorflow import keras
from pixmill.train.checkpoints import Checkpoint
from pixmill.train.cross_fitting import CrossFitted, cross_fit, is_affordable, validated
from pixmill.train.fitting import FitData, Fitted, Fitter, weights_of
from pixmill.train.history import Epoch
from pixmill.train.learning_curve import Predict
from pixmill.train.logistic import fit_logistic

_BATCH_SIZE = 1024
"""Images whose features are in memory at a time."""


class _FeatureFitter(Fitter):
    """Fit classifiers to the features of their backbone."""

    def features_of(self, *parts: Part) -> Features:
        """Return the concatenated features of splits, computed unless cached; shape (n, width)."""
        params = self.params
        origin = origin_of(params, self.root)
        return part_features(
            parts, params.backbone, scratch=self.scratch, threads=params.threads, **origin
        )


class HeadFitter(_FeatureFitter):
    """Fit the head of a classifier whose backbone is frozen.

    Images are not augmented. A small network is fitted in epochs; for a logistic regression, each
    iteration of the solver counts as an epoch.
    """

    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh head, and attach it to the backbone."""
        # Built before any other network: Keras numbers tensors, and the exported file contains such
        # a number.
        classifier = self.build()
        training = data.training
        validation = data.validation
        features = self.features_of(training, validation, *([data.test] if data.test else []))
        # Views, not copies: the features may be in a file.
        features = features[: len(training) + len(validation)]
        train_features, val_features = np.split(features, [len(training)])
        if self.params.kind.is_logistic:
            cross_fitted: CrossFitted | None = None
            histories: list[list[Epoch]] = []
            held_out: tuple[Features, Targets] | None = (
                val_features,
                validation.targets,
            )
            targets = training.targets
            fitted_features = train_features
            if data.folds is not None and is_affordable(
                len(features), features.shape[1], self.labels
            ):
                targets = np.concatenate([targets, validation.targets])
                fitted_features = features
                held_out = None
                top = last_features(head_features(classifier)).shape[-1]
                cross_fitted, histories = cross_fit(
                    features,
                    targets,
                    data.folds,
                    self.params,
                    head=self.head,
                    labels=self.labels,
                    top=top,
                )
            kernel, bias, history, timings = fit_logistic(
                fitted_features,
                targets,
                self.params,
                head=self.head,
                labels=self.labels,
                validation=held_out,
                title=data.title,
            )
            if cross_fitted:
                history = validated(history, histories, cross_fitted.sizes())
            set_head_weights(classifier, [kernel, bias])
            for epoch, timing in zip(history, timings, strict=True):
                data.callback.on_epoch_end(epoch, timing)
            fitted = Checkpoint(history, timings, {}, weights_of(classifier), finished=True)
            return Fitted(classifier, fitted, None if cross_fitted else val_features, cross_fitted)
        scaling = Scaling.of(train_features, several=several_layers(self.params))
        head = build_head(
            self.params, head=self.head, labels=self.labels, features=train_features.shape[1]
        )

        def scale(part: Part, features: Features) -> Part:
            return replace(part, pixels=cast("Any", Scaled(features, scaling)))

        inputs = replace(
            data,
            training=scale(training, train_features),
            validation=scale(validation, val_features),
        )
        fitted = self.fit_network(head, inputs)
        kernel, bias, *others = head.get_weights()
        layer = [part.astype(np.float32) for part in scaling.fold_into(kernel, bias)]
        set_head_weights(classifier, [*layer, *others])
        return Fitted(classifier, replace(fitted, best=weights_of(classifier)), val_features)

    def predict(self, classifier: keras.Model, part: Part) -> Features:
        """Return uncalibrated probabilities, computed from features."""
        head = keras.Model(features_of(classifier), classifier.output)
        features = self.features_of(part)
        batches = (
            features[start : start + _BATCH_SIZE] for start in range(0, len(features), _BATCH_SIZE)
        )
        return np.concatenate(
            [np.asarray(head(batch, training=False), np.float32) for batch in batches]
        )

    def novelty_features(self, training: Part, _: keras.Model) -> Features:
        """Return the stored features."""
        return self.features_of(training)

    def predict_from(self, images: Part) -> Predict:
        """Return a function that fits a logistic regression to some rows and predicts others.

        Args:
            images: The images that both kinds of rows belong to.
        """
        features = self.features_of(images)

        def predict(rows: Ints, others: Ints) -> Ints:
            # Not `features[rows]`, which may copy all features.
            subset = cast("Any", Shards([features], rows=rows))
            title = f"Train on {len(rows):,} images"
            fitted = fit_logistic(
                subset,
                images.targets[rows],
                self.params,
                head=self.head,
                labels=self.labels,
                title=title,
            )
            classes: Ints = (features[others] @ fitted.kernel + fitted.bias).argmax(axis=1)
            return classes

        return predict


class FineTuner(_FeatureFitter):
    """Fine-tune a classifier and its backbone, starting from a logistic regression as the head.

    A head with random weights would distort the pretrained features in the first steps.

    Source: Kumar, Raghunathan, Jones, Ma and Liang, "Fine-Tuning can Distort Pretrained Features
    and Underperform Out-of-Distribution", ICLR 2022 (LP-FT).
    """

    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh classifier of the model ``backbone``, whose head is one dense layer."""
        classifier = self.build()
        targets = data.training.targets
        start = fit_logistic(
            self.features_of(data.training),
            targets,
            self.params,
            head=self.head,
            labels=self.labels,
        )
        set_head_weights(classifier, [start.kernel, start.bias])
        return Fitted(classifier, self.fit_network(classifier, data))
