"""Augmentation: each setting has its effect, and draws depend only on seed, epoch and step."""

import numpy as np
import pytest

from pixmill.core.params import AugmentationParams
from pixmill.models.augmentation import Augmenter, sample_beta
from pixmill.models.determinism import fix_threads, reseed

SIDE = 24
LABELS = 3
OFF = AugmentationParams(flip=False, rotation=0.0, zoom=0.0, shift=0.0)
ALL = {
    "flip": True,
    "rotation": 90.0,
    "zoom": 0.5,
    "shift": 0.5,
    "shear": 30.0,
    "brightness": 0.3,
    "contrast": 0.5,
}
ALL |= {"erasing": 1.0, "mix": "cutmix"}


@pytest.fixture(autouse=True)
def threads():
    fix_threads(2)


@pytest.fixture
def pixels():
    return np.random.default_rng(7).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)


def change(pixels, *, seed=7, epoch=1, steps=1, **changes):
    """Return images and targets after the last of some steps."""
    import tensorflow as tf

    augmenter = Augmenter(OFF.model_copy(update=changes))
    reseed(augmenter, seed=seed, epoch=epoch)
    targets = tf.one_hot(np.arange(len(pixels)) % LABELS, LABELS)
    for _ in range(steps):
        changed, mixed = augmenter(tf.constant(pixels), targets)
    return changed.numpy(), mixed.numpy()


def test_disabled_augmentation_changes_nothing(pixels):
    changed, targets = change(pixels)
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(changed, pixels)
    np.testing.assert_array_equal(targets.argmax(axis=1), np.arange(40) % LABELS)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_shapes_and_ranges_are_kept(pixels, mix):
    changed, targets = change(pixels, **ALL | {"mix": mix})
    assert changed.shape == pixels.shape
    assert changed.dtype == targets.dtype == np.float32
    assert changed.min() >= -1e-3
    assert changed.max() <= 255 + 1e-3
    assert targets.min() >= 0
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_draws_depend_on_seed_epoch_and_step(pixels):
    first, _ = change(pixels, **ALL)
    np.testing.assert_array_equal(change(pixels, **ALL)[0], first)
    for other in ({"seed": 8}, {"epoch": 2}, {"steps": 2}):
        assert not np.array_equal(change(pixels, **other, **ALL)[0], first)


def test_half_of_the_images_are_mirrored_exactly(pixels):
    changed, _ = change(pixels, flip=True)
    mirrored = [
        np.array_equal(after, before[:, ::-1])
        for after, before in zip(changed, pixels, strict=True)
    ]
    kept = [np.array_equal(after, before) for after, before in zip(changed, pixels, strict=True)]
    assert np.all(np.array(mirrored) ^ np.array(kept))
    assert 10 < sum(mirrored) < 30


def centres(images):
    """Return the centre of brightness, as row and column from the middle, in pixels."""
    weight = images[..., 0].astype(np.float64)
    places = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    total = weight.sum(axis=(1, 2))
    return (
        np.stack(
            [(weight.sum(axis=2) * places).sum(axis=1), (weight.sum(axis=1) * places).sum(axis=1)]
        )
        / total
    )


def dots(count, row, column):
    """Return black images with a bright square."""
    images = np.zeros((count, 41, 41, 3), np.uint8)
    images[:, row - 2 : row + 3, column - 2 : column + 3] = 255
    return images


def test_shift_is_limited():
    moved = centres(change(dots(200, 20, 20), shift=0.2)[0])
    assert 0.18 * 41 < np.abs(moved).max() <= 0.2 * 41 + 1e-3
    assert np.abs(moved.mean(axis=1)).max() < 1.5


def test_shear_keeps_the_centre_and_is_limited():
    _, of_middle = centres(change(dots(200, 20, 20), shear=20.0)[0])
    down, right = centres(change(dots(200, 30, 20), shear=20.0)[0])
    np.testing.assert_allclose(of_middle, 0, atol=0.01)
    np.testing.assert_allclose(down, 10, atol=0.01)
    angles = np.degrees(np.arctan2(right, 10))
    assert 18 < np.abs(angles).max() <= 20.1
    # Uniform angles, as Keras' ImageDataGenerator draws them.
    assert 0.4 < (np.abs(angles) < 10).mean() < 0.6


def test_erasing_affects_the_given_share_of_images(pixels):
    pixels = np.concatenate([pixels] * 10)
    changed, _ = change(pixels, erasing=0.4)
    erased = (changed != pixels).any(axis=3).mean(axis=(1, 2))
    assert 0.3 < (erased > 0).mean() < 0.5
    assert erased.max() < 0.45


def test_mixup_blends_images_and_targets_equally(pixels):
    changed, targets = change(pixels, mix="mixup", mix_alpha=1.0)
    own = np.arange(40)
    share = targets[own, own % LABELS]
    expected = share[:, None, None, None] * pixels + (1 - share[:, None, None, None]) * np.roll(
        pixels, 1, axis=0
    )
    # The first and the last image have the same class; their share does not follow from the
    # targets.
    np.testing.assert_allclose(changed[1:], expected[1:], atol=0.01)


def test_cutmix_weights_targets_by_replaced_pixels(pixels):
    changed, targets = change(pixels, mix="cutmix", mix_alpha=1.0)
    own = np.arange(40)
    kept = (changed == pixels).all(axis=3).mean(axis=(1, 2))
    np.testing.assert_allclose(targets[own, own % LABELS][1:], kept[1:], atol=1e-5)
    taken = (changed == np.roll(pixels, 1, axis=0)).all(axis=3)
    assert ((changed == pixels).all(axis=3) | taken).all()


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 8.0])
def test_sample_beta_has_the_beta_distribution(alpha):
    import tensorflow as tf
    from scipy import stats

    shares = sample_beta(20_000, alpha, tf.constant([7, 1], tf.int64)).numpy().astype(np.float64)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(stats.beta(alpha, alpha).var(), rel=0.05)
