import numpy as np
import pyarrow.parquet as pq
import pytest

from pixmill.evaluate.predictions import predict_parts, predictions_schema, probabilities_of
from pixmill.manifest import write_table
from pixmill.metrics import losses
from pixmill.parts import load_parts
from tests.evaluate.conftest import LABELS, PICTURES, SIDE, by_brightness


@pytest.fixture
def parts(packed):
    return load_parts(packed, LABELS, side=SIDE).values()


def test_every_picture_has_one_row_sorted_by_id(parts):
    predictions = predict_parts(by_brightness, parts, LABELS)
    assert predictions["id"].is_monotonic_increasing
    assert predictions["id"].is_unique
    assert predictions["split"].value_counts().to_dict() == PICTURES


def test_a_row_says_what_the_model_says_of_that_very_picture(parts):
    predictions = predict_parts(by_brightness, parts, LABELS).set_index("id")
    for part in parts:
        expected = by_brightness(np.asarray(part.pixels, np.float32))
        found = predictions.loc[part.rows["id"]]
        assert probabilities_of(found, LABELS) == pytest.approx(expected, abs=1e-6)
        assert list(found["predicted"]) == [LABELS[place] for place in expected.argmax(axis=1)]
        truth = np.array([LABELS.index(label) for label in part.rows["label"]])
        assert found["loss"].to_numpy() == pytest.approx(losses(truth, expected), abs=1e-6)


def test_the_model_sees_raw_values_of_single_precision_in_batches(parts):
    seen = []

    def predict(batch):
        seen.append((batch.dtype, batch.max(), len(batch)))
        return by_brightness(batch)

    predict_parts(predict, parts, LABELS)
    assert {dtype for dtype, _, _ in seen} == {np.dtype(np.float32)}
    assert max(value for _, value, _ in seen) > 200
    assert sum(size for _, _, size in seen) == sum(PICTURES.values())


def test_the_file_has_the_columns_that_others_rely_on_and_the_same_bytes_each_time(parts, tmp_path):
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    for path in paths:
        write_table(path, predict_parts(by_brightness, parts, LABELS), predictions_schema(LABELS))
    names = ["id", "split", "label", "predicted", "p_dark", "p_light", "loss"]
    assert pq.read_schema(paths[0]).names == names
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_model_with_another_number_of_outputs_is_a_defect(parts):
    with pytest.raises(ValueError, match="expected 12 x 2 probabilities, received"):
        predict_parts(lambda batch: np.full((len(batch), 3), 1 / 3), parts, LABELS)
