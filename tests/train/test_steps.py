"""Training steps, learning rates and batches."""

from pathlib import Path

import numpy as np
import pytest

from pixmill.core.params import AugmentationParams, BackboneParams, CnnParams
from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads
from pixmill.models.networks import backbone_variables, build_classifier
from pixmill.train.examples import balanced_weights, examples_of
from pixmill.train.steps import Trainer, epoch_order, feed
from tests.train.conftest import PARAMS, SIZE

NO_AUGMENTATION = AugmentationParams(flip=False, rotation=0.0, zoom=0.0, shift=0.0)
PLAIN = PARAMS.model_copy(
    update={
        "augmentation": NO_AUGMENTATION,
        "cnn": CnnParams(blocks=PARAMS.cnn.blocks, dense=()),
        "optimizer": "sgd",
    }
)


@pytest.fixture(autouse=True)
def threads():
    fix_threads(2)


def make(params=PARAMS, *, size=SIZE, root=Path(), targets=None):
    classifier = build_classifier(params, labels=3, image_size=size, root=root)
    examples = examples_of(ONE_LABEL, targets, params, 3)
    return classifier, Trainer(classifier, params, examples, root=root)


def batch(part, count=32):
    return part.pixels[np.arange(count)], part.targets[:count]


def gradients_of(classifier, pixels, targets, weights=None):
    """Return the gradients of the mean cross-entropy by definition, and the loss of each image."""
    import tensorflow as tf

    weights = np.ones(len(targets), np.float32) if weights is None else weights
    with tf.GradientTape() as tape:
        probabilities = classifier(pixels.astype(np.float32))
        losses = -tf.math.log(tf.gather(probabilities, targets, batch_dims=1))
        loss = tf.reduce_mean(losses * weights)
    gradients = tape.gradient(loss, [variable.value for variable in classifier.trainable_variables])
    return [gradient.numpy() for gradient in gradients], losses.numpy()


@pytest.mark.parametrize("change", [{}, {"clip_norm": 0.01}, {"class_weights": True}])
def test_step_follows_the_gradient(parts, change):
    all_targets = parts["train"].targets
    weights = balanced_weights(all_targets, 3) if "class_weights" in change else None
    params = PLAIN.model_copy(update=change | {"momentum": 0.0})
    classifier, trainer = make(params, targets=all_targets)
    pixels, targets = batch(parts["train"])
    before = classifier.get_weights()
    gradients, losses = gradients_of(
        classifier, pixels, targets, None if weights is None else weights[targets]
    )
    if "clip_norm" in change:
        length = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
        assert length > 0.1
        gradients = [gradient * 0.01 / length for gradient in gradients]
    trainer.begin(1)
    trainer.train(pixels, targets, 0.05)
    for old, gradient, new in zip(before, gradients, classifier.get_weights(), strict=True):
        np.testing.assert_allclose(new, old - 0.05 * gradient, atol=2e-6)
    expected = losses.mean() if weights is None else (losses * weights[targets]).mean()
    assert trainer.figures("train")[0] == pytest.approx(expected, rel=1e-5)


def test_figures_are_means_over_images(parts):
    classifier, trainer = make()
    trainer.begin(1)
    for pixels, targets in feed(parts["val"], 32):
        trainer.test(pixels, targets)
    _, losses = gradients_of(classifier, parts["val"].pixels[:], parts["val"].targets)
    right = (
        np.asarray(classifier(np.asarray(parts["val"].pixels, np.float32))).argmax(axis=1)
        == parts["val"].targets
    )
    loss, accuracy = trainer.figures("test")
    assert loss == pytest.approx(losses.mean(), rel=1e-5)
    assert accuracy == pytest.approx(right.mean(), abs=1e-12)


def test_backbone_has_a_separate_learning_rate(tiny_backbone):
    backbone = BackboneParams(name="plugin:tiny", unfreeze="all", rate_factor=0.01, dropout=0.0)
    params = PLAIN.model_copy(update={"model": "backbone", "backbone": backbone, "momentum": 0.0})
    classifier, trainer = make(params, size=32, root=tiny_backbone)
    slow = {variable.path for variable in backbone_variables(classifier)}
    assert 0 < len(slow) < len(classifier.trainable_variables)
    before = [np.array(variable) for variable in classifier.trainable_variables]
    pixels = np.random.default_rng(7).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    targets = np.arange(8, dtype=np.int32) % 3
    gradients, _ = gradients_of(classifier, pixels, targets)
    trainer.train(pixels, targets, 0.1)
    for variable, old, gradient in zip(
        classifier.trainable_variables, before, gradients, strict=True
    ):
        rate = 0.001 if variable.path in slow else 0.1
        np.testing.assert_allclose(
            np.array(variable), old - rate * gradient, atol=1e-5, err_msg=variable.path
        )


def test_balanced_weights_give_classes_equal_weight():
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 3])
    weights = balanced_weights(targets, 4)
    np.testing.assert_allclose(np.bincount(targets, weights[targets]), [2.5, 2.5, 0, 2.5])
    assert weights.dtype == np.float32


def test_feed_yields_every_image_once_with_its_target(parts):
    part = parts["train"]
    order = epoch_order(150, seed=7, epoch=1)
    batches = list(feed(part, 32, order))
    assert [len(targets) for _, targets in batches] == [32, 32, 32, 32, 22]
    assert all(pixels.dtype == np.uint8 for pixels, _ in batches)
    np.testing.assert_array_equal(
        np.concatenate([pixels for pixels, _ in batches]), part.pixels[order]
    )
    np.testing.assert_array_equal(
        np.concatenate([targets for _, targets in batches]), part.targets[order]
    )
