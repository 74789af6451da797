"""TensorFlow comes without noise, and chance follows from seed and epoch, whatever happened before."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pixmill.core.params import BlockParams, CnnParams
from pixmill.learn.determinism import fix_threads, reseed


@pytest.fixture
def dropping(build):
    """Return a classifier with three random layers."""
    return build(cnn=CnnParams(blocks=(BlockParams(filters=4, dropout=0.5), BlockParams(filters=4, dropout=0.5))))


def states(model):
    return [tuple(np.asarray(each)) for each in model.variables if each.path.endswith("seed_generator_state")]


def test_states_follow_from_seed_and_epoch_alone(dropping, pixels):
    def drawn(seed, epoch):
        reseed(dropping, seed=seed, epoch=epoch)
        return np.asarray(dropping(pixels, training=True))

    first = drawn(7, 1)
    assert not np.array_equal(np.asarray(dropping(pixels, training=True)), first)
    assert not np.array_equal(drawn(7, 2), first)
    assert not np.array_equal(drawn(8, 1), first)
    np.testing.assert_array_equal(drawn(7, 1), first)


def test_products_of_matrices_are_computed_with_as_many():
    threadpool_limits(1)
    fix_threads(2)
    assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {2}


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_own_settings_of_keras_change_nothing_and_standard_error_has_no_noise(tmp_path):
    settings = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = run(
        "import os; from pixmill.learn.determinism import fix_threads; fix_threads(2)\nfrom keras import config, ops\n"
        "ops.ones(3) + 1; os.write(2, b'heard')\n"
        "print(config.backend(), config.floatx(), config.image_data_format(), config.epsilon())",
        KERAS_HOME=str(tmp_path),
        KERAS_BACKEND="jax",
    )
    assert (done.stderr, done.stdout) == ("heard", "tensorflow float32 channels_last 1e-07\n")
