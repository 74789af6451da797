"""Predictions of held-out images as a file."""

import numpy as np
import pandas as pd

from pixmill.models.held_out import HeldOut, copy_held_out, load_held_out, save_held_out


def test_file_keeps_predictions_and_unknown_novelty(tmp_path):
    rows = pd.DataFrame({"id": ["b", "a", "c"], "label": "dark", "cluster": ["z", "y", "z"]})
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5], [1, 0]], np.float32)
    novelty = np.array([0.5, np.nan, 0.25], np.float32)
    save_held_out(
        tmp_path, HeldOut(rows, np.zeros(3, np.int32), probabilities, novelty), ["dark", "light"]
    )
    found = load_held_out(tmp_path, ["dark", "light"])
    assert found["id"].tolist() == ["a", "b", "c"]
    assert found["cluster"].tolist() == [0, 1, 1]
    assert found[["p_dark", "p_light"]].to_numpy().tolist() == [[0.5, 0.5], [0.25, 0.75], [1, 0]]
    assert np.array_equal(
        found["novelty"].to_numpy(np.float64), [np.nan, 0.5, 0.25], equal_nan=True
    )
    (tmp_path / "copy").mkdir()
    copy_held_out(tmp_path, tmp_path / "copy", ["dark", "light"])
    copied = load_held_out(tmp_path / "copy", ["dark", "light"])
    pd.testing.assert_frame_equal(copied.drop(columns="id"), found.drop(columns="id"))
    assert not {*copied["id"]} & {*found["id"]}
