import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.calibration import calibrate
from pixmill.metrics import expected_calibration_error, losses, tempered

LABELS = ("a", "b", "c")


def predictions(pictures, *, sharpness):
    """Return what a model says that knows how sure it should be, and says it raised to a power."""
    generator = np.random.default_rng(11)
    tables = []
    for part in ("train", "val", "test"):
        honest = generator.dirichlet([0.3, 0.3, 0.3], pictures)
        actual = [generator.choice(3, p=row) for row in honest]
        given = tempered(honest, 1 / sharpness)
        table = pd.DataFrame(given, columns=[f"p_{label}" for label in LABELS])
        names = {"label": np.array(LABELS)[actual], "predicted": np.array(LABELS)[given.argmax(axis=1)]}
        tables.append(table.assign(id=[f"{part}{number:05}" for number in range(pictures)], split=part, **names))
    return pd.concat(tables, ignore_index=True).sort_values("id", ignore_index=True)


def calibrated(table, *, target=0.9):
    groups = table.set_index("id").index.to_series()
    return calibrate(table, groups, LABELS, target=target, draws=500, confidence=0.95)


def test_a_model_that_is_too_sure_is_set_right_on_the_test_part():
    table = predictions(1500, sharpness=2.5)
    found = calibrated(table).metrics
    test = table[table["split"] == "test"]
    said = test[["p_a", "p_b", "p_c"]].to_numpy(np.float32)
    actual = test["label"].map(LABELS.index).to_numpy()
    assert found["temperature"] == pytest.approx(2.5, rel=0.15)
    assert found["calibrated"]["ece"] < expected_calibration_error(actual, said) / 2
    assert found["calibrated"]["log_loss"] < losses(actual, said).mean()


def test_the_threshold_gives_about_what_was_asked_for_on_pictures_that_did_not_set_it():
    found = calibrated(predictions(1500, sharpness=2.5)).metrics
    assert found["covered_accuracy_low"] <= 0.9 <= found["covered_accuracy_high"]
    assert 0.2 < found["coverage"] < 0.95
    assert 0 < found["threshold"] < 1


def test_the_test_part_teaches_nothing():
    table = predictions(200, sharpness=2)
    other = table.assign(label=np.where(table["split"] == "test", "a", table["label"]))
    first, second = (calibrated(frame).metrics for frame in (table, other))
    assert (first["temperature"], first["threshold"]) == (second["temperature"], second["threshold"])
    assert first["calibrated"] != second["calibrated"]


def test_what_cannot_be_had_is_null():
    table = predictions(50, sharpness=1)
    wrong = table.assign(label=table["predicted"].map({"a": "b", "b": "c", "c": "a"}))
    found = calibrated(wrong).metrics
    assert (found["temperature"], found["threshold"], found["coverage"]) == (None, None, 0)
    assert {found[name] for name in ("covered_accuracy", "covered_accuracy_low", "covered_accuracy_high")} == {None}


def test_the_tables_hold_both_ways_of_saying_it_and_both_parts():
    found = calibrated(predictions(300, sharpness=2))
    assert found.reliability.groupby("calibrated")["n"].sum().to_dict() == {False: 300, True: 300}
    assert list(found.coverage["split"].unique()) == ["test", "val"]
    assert not found.reliability.isna().any(axis=None)
    assert not found.coverage.isna().any(axis=None)
