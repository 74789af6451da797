from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.measure import measure, measure_confidence
from pixmill.evaluate.predictions import apply_calibration, class_indices, probabilities_of
from pixmill.heads import ONE_LABEL
from pixmill.metrics.calibration import calibrate
from pixmill.metrics.probabilities import apply_temperature
from pixmill.metrics.scores import scores

LABELS = ("a", "b", "c")


def predictions(images, *, sharpness):
    """Return predictions of a calibrated model whose probabilities are raised to a power."""
    generator = np.random.default_rng(11)
    tables = []
    for part in ("train", "val", "test"):
        honest = generator.dirichlet([0.3, 0.3, 0.3], images)
        actual = [generator.choice(3, p=row) for row in honest]
        given = apply_temperature(honest, 1 / sharpness)
        table = pd.DataFrame(given, columns=[f"p_{label}" for label in LABELS])
        names = {
            "label": np.array(LABELS)[actual],
            "predicted": np.array(LABELS)[given.argmax(axis=1)],
        }
        tables.append(
            table.assign(
                id=[f"{part}{number:05}" for number in range(images)],
                split=part,
                unlike=pd.NA,
                held_out=part != "train",
                **names,
            )
        )
    return pd.concat(tables, ignore_index=True).sort_values("id", ignore_index=True)


def measured(table, *, target=0.9):
    """Calibrate on the validation split, as train does, and measure on the test split."""
    groups = table.set_index("id").index.to_series()
    val = table[table["split"] == "val"]
    calibration = calibrate(
        probabilities_of(val, LABELS), class_indices(val["label"], LABELS), val["id"], target
    )
    calibrated = apply_calibration(
        table, SimpleNamespace(labels=LABELS, calibration=calibration, head=ONE_LABEL)
    )
    resampling = {"draws": 500, "confidence": 0.95}
    metrics, curves = measure_confidence(
        calibrated, table, groups, LABELS, calibration, **resampling
    )
    return {**measure(calibrated, groups, LABELS, **resampling), **metrics}, curves


def test_calibration_corrects_overconfidence():
    table = predictions(1500, sharpness=2.5)
    result = measured(table)[0]
    test = table[table["split"] == "test"]
    uncalibrated = test[["p_a", "p_b", "p_c"]].to_numpy(np.float32)
    actual = test["label"].map(LABELS.index).to_numpy()
    assert result["temperature"] == pytest.approx(2.5, rel=0.15)
    before = {name: scores(actual, uncalibrated)[name] for name in ("ece", "log_loss")}
    assert {name: result["uncalibrated"][name] for name in before} == pytest.approx(before)
    assert result["ece"] < before["ece"] / 2
    assert result["log_loss"] < before["log_loss"]
    # The threshold reaches the target on unseen images.
    assert result["covered_accuracy"] >= 0.9
    assert result["covered_accuracy_low"] <= 0.92
    assert 0.2 < result["coverage"] < 0.95


def test_images_unlike_training_are_not_covered():
    table = predictions(1500, sharpness=2.5)
    before = measured(table)[0]
    unlike = (table["split"] == "test") & (np.arange(len(table)) % 3 == 0)
    result = measured(table.assign(unlike=unlike))[0]
    assert result["threshold"] == before["threshold"]
    assert result["coverage"] == pytest.approx(before["coverage"] * 2 / 3, abs=0.03)


def test_unreachable_target_gives_null():
    table = predictions(50, sharpness=1)
    wrong = table.assign(label=table["predicted"].map({"a": "b", "b": "c", "c": "a"}))
    result = measured(wrong)[0]
    assert (result["threshold"], result["coverage"]) == (None, None)
    assert result["temperature"] > 2
    assert {
        result[name]
        for name in ("covered_accuracy", "covered_accuracy_low", "covered_accuracy_high")
    } == {None}
    assert (result["threshold_images"], result["threshold_target"]) == (None, None)
    few = measured(table.assign(label=table["predicted"]), target=0.95)[0]
    assert (few["threshold"], few["threshold_images"], few["threshold_target"]) == (None, 100, 0.9)
