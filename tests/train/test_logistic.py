"""Logistic regression: compared with scikit-learn; reproducible; bounded memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pixmill.core.params import FeaturesParams, TrainParams
from pixmill.heads import head_of
from pixmill.models.scaling import BLOCK_ROWS
from pixmill.train.logistic import fit_logistic
from tests.train.conftest import sklearn_probabilities

PARAMS = TrainParams(model="features", features=FeaturesParams(inverse_regularization=0.01))


def draw(count, width, labels):
    """Return non-negative features that separate the classes imperfectly, and the classes."""
    chance = np.random.default_rng(7)
    targets = np.arange(count, dtype=np.int32) % labels
    seen = chance.normal(1, 2, (count, width)) + chance.normal(size=(labels, width))[targets]
    return np.maximum(seen, 0).astype(np.float32), targets


def softmax(layer, features):
    kernel, bias, *_ = layer
    logits = np.exp((features @ kernel + bias).astype(np.float64))
    return logits / logits.sum(axis=1, keepdims=True)


def as_bytes(fitted):
    return fitted.kernel.tobytes(), fitted.bias.tobytes(), fitted.history


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("class_weights", [False, True])
def test_several_blocks_equal_scikit_learn(labels, class_weights) -> None:
    params = PARAMS.model_copy(update={"class_weights": class_weights})
    seen, targets = draw(4 * BLOCK_ROWS + 1, 20, labels)
    rare = np.arange(len(targets)) % 7 < 2
    seen = seen[(targets > 0) | rare]
    targets = targets[(targets > 0) | rare]
    expected = sklearn_probabilities(
        seen, targets, seen, class_weight="balanced" if class_weights else None
    )
    fitted = fit_logistic(seen, targets, params, labels=labels, validation=(seen, targets))
    found = softmax(fitted, seen)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    last = fitted.history[-1]
    loss = -np.log(found[np.arange(len(targets)), targets]).mean()
    assert (last.train_loss, last.val_loss) == pytest.approx((loss, loss), rel=1e-5)
    assert last.train_accuracy == last.val_accuracy == np.mean(found.argmax(axis=1) == targets)


@pytest.mark.parametrize("class_weights", [False, True])
def test_labels_equal_scikit_learn_on_the_images_whose_cell_is_known(class_weights) -> None:
    params = PARAMS.model_copy(update={"class_weights": class_weights})
    seen, targets = draw(2 * BLOCK_ROWS + 1, 20, 4)
    chance = np.random.default_rng(7)
    # The last label is never yes.
    cells = np.stack([targets == 0, targets < 2, targets % 2 == 0, targets < 0], axis=1)
    cells = np.where(chance.random(cells.shape) < 0.3, -1, cells).astype(np.int8)
    fitted = fit_logistic(
        seen, cells, params, head=head_of("labels"), labels=4, validation=(seen, cells)
    )
    found = expit((seen @ fitted.kernel + fitted.bias).astype(np.float64))
    mean = seen.mean(axis=0)
    deviation = seen.std(axis=0)
    scaled = (seen - mean) / np.maximum(deviation, 0.2 * np.median(deviation))
    for place in range(3):
        known = cells[:, place] >= 0
        model = LogisticRegression(
            C=0.01, max_iter=1000, class_weight="balanced" if class_weights else None
        ).fit(scaled[known], cells[known, place])
        expected = model.predict_proba(scaled)[:, 1]
        np.testing.assert_allclose(found[:, place], expected, rtol=0, atol=1e-3)
    assert found[:, 3].max() < 0.01
    known = cells >= 0
    losses = -np.log(np.where(cells == 1, found, 1 - found))[known]
    assert fitted.history[-1].val_loss == pytest.approx(losses.mean(), rel=1e-5)


def test_class_without_images_is_never_predicted() -> None:
    chance = np.random.default_rng(7)
    targets = np.arange(60, dtype=np.int32) % 3 + (np.arange(60) % 3 == 2)
    seen = (chance.normal(size=(60, 5)) + targets[:, None]).astype(np.float32)
    fitted = fit_logistic(
        seen, targets.astype(np.int32), PARAMS, labels=4, validation=(seen[:2], np.array([2, 2]))
    )
    found = softmax(fitted, seen)
    assert set(targets) == {0, 1, 3}
    assert found[:, 2].max() < 1e-9
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert fitted.history[-1].val_loss > 90


@pytest.mark.parametrize("threads", [1, 5])
def test_bytes_do_not_depend_on_threads(threads) -> None:
    seen, targets = draw(4 * BLOCK_ROWS + 1, 40, 3)
    one = fit_logistic(seen, targets, PARAMS, labels=3, validation=(seen, targets))
    params = PARAMS.model_copy(update={"threads": threads})
    assert as_bytes(
        fit_logistic(seen, targets, params, labels=3, validation=(seen, targets))
    ) == as_bytes(one)


def test_mapped_features_are_not_copied(tmp_path) -> None:
    seen, targets = draw(30_000, 256, 3)
    seen.tofile(tmp_path / "features")
    expected = fit_logistic(seen, targets, PARAMS, labels=3)
    size = seen.nbytes
    del seen
    mapped = np.memmap(tmp_path / "features", np.float32, "r", shape=(30_000, 256))
    tracemalloc.start()
    try:
        found = fit_logistic(mapped, targets, PARAMS, labels=3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert as_bytes(found) == as_bytes(expected)
    assert peak < size / 6


def test_message_without_convergence(capsys, monkeypatch) -> None:
    monkeypatch.setattr("pixmill.train.logistic._MAX_ITERATIONS", 1)
    seen, targets = draw(90, 40, 3)
    fit_logistic(seen, targets, PARAMS, labels=3)
    assert "train.features.inverse_regularization" in capsys.readouterr().err
