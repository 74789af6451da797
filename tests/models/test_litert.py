"""LiteRT networks: outputs depend only on the item."""

import numpy as np
import pytest

from pixmill.models.litert import NETWORK, converted_files, load_litert, load_outputs
from pixmill.models.litert_export import convert

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 24, 24, 3)).astype(np.uint8)


def test_outputs_depend_neither_on_threads_nor_on_other_items(trained_folder, monkeypatch):
    first = load_litert(trained_folder / NETWORK)(PIXELS)
    monkeypatch.setattr("pixmill.models.litert._MAX_THREADS", 1)
    np.testing.assert_array_equal(load_litert(trained_folder / NETWORK)(PIXELS), first)
    np.testing.assert_array_equal(
        load_litert((trained_folder / NETWORK).read_bytes(), threads=1)(PIXELS), first
    )
    one_by_one = [
        load_litert(trained_folder / NETWORK)(PIXELS[place : place + 1])[0] for place in range(5)
    ]
    np.testing.assert_array_equal(one_by_one, first)


def test_rejects_file_without_a_main_output(tmp_path):
    import keras

    pixels = keras.Input((4, 4, 3), name="pixels")
    outputs = {"one": keras.layers.Flatten()(pixels), "other": keras.layers.Rescaling(2.0)(pixels)}
    file = convert(keras.Model(pixels, outputs, name="two"), tmp_path / "two.tflite")
    assert sorted(load_outputs(file)[1]) == ["one", "other"]
    with pytest.raises(
        ValueError, match="expected features, logits or probabilities, received one, other"
    ):
        load_litert(file)


def test_converted_files_of_one_or_two_networks(trained_folder, tmp_path):
    assert converted_files(trained_folder) == (NETWORK,)
    assert converted_files(tmp_path) == ()
    (tmp_path / "head.tflite").touch()
    assert converted_files(tmp_path) == ()
    (tmp_path / "backbone.tflite").touch()
    assert converted_files(tmp_path) == ("head.tflite", "backbone.tflite")
