import json

import pandas as pd
import pytest

from pixmill.core.files.writing import write_json
from pixmill.evaluate.measure import headline, measure

LABELS = ("a", "b", "c")
FIGURES = {"accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "top_2_accuracy"}
FIGURES |= {"log_loss", "roc_auc", "pr_auc", "ece"}


def with_limits(names):
    return {f"{name}_{side}" for name in names for side in ("low", "high")}


def table(part, pairs):
    """Return predictions of a split with confidence 0.9 from pairs of label and predicted class."""
    rows = []
    for number, (label, predicted) in enumerate(pairs):
        given = {f"p_{name}": 0.9 if name == predicted else 0.05 for name in LABELS}
        rows.append({"id": f"{part}{number:03}", "split": part, "label": label, "predicted": predicted, **given})
    return pd.DataFrame(rows)


@pytest.fixture
def predictions():
    return pd.concat(
        [
            table("train", [*["aa"] * 6, *["bb"] * 3, "cc"]),
            table("val", [*["aa"] * 2, "ab", "bb"]),
            table("test", [*["aa"] * 5, "ab", *["bb"] * 2, "ba", "ba"]),
        ]
    ).sort_values("id", ignore_index=True)


@pytest.fixture
def metrics(predictions):
    return measure(predictions, predictions.set_index("id").index.to_series(), LABELS, draws=2000, confidence=0.95)


def test_metric_names(metrics):
    scalars = {"n", *FIGURES, *with_limits(FIGURES)}
    assert set(metrics) == scalars | {"per_class", "baseline", "val", "train"}
    assert set(metrics["val"]) == scalars
    assert set(metrics["per_class"]) == set(LABELS)
    of_a_class = {"precision", "recall", "f1"}
    assert set(metrics["per_class"]["a"]) == {"support", *of_a_class, *with_limits(of_a_class)}
    of_parts = {"test": metrics, "val": metrics["val"], "train": metrics["train"]}
    figures = {name: (part["n"], part["accuracy"]) for name, part in of_parts.items()}
    assert figures == {"test": (10, pytest.approx(0.7)), "val": (4, pytest.approx(0.75)), "train": (10, 1)}
    for row in (metrics, metrics["val"], metrics["per_class"]["a"]):
        for name in {name.removesuffix("_low") for name in row if name.endswith("_low")}:
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_baseline_is_the_most_common_class_of_the_test_split(predictions):
    other = pd.concat([predictions[predictions["split"] != "train"], table("train", ["aa", *["bb"] * 9])])
    found = measure(other, other.set_index("id").index.to_series(), LABELS, draws=100, confidence=0.95)
    assert found["baseline"]["majority_accuracy"] == pytest.approx(0.6)


def test_class_without_test_images_is_null(metrics, tmp_path):
    write_json(tmp_path / "evaluate.json", metrics)
    content = json.loads((tmp_path / "evaluate.json").read_text(), parse_constant=pytest.fail)
    nothing = {"precision": None, "recall": None, "f1": None}
    assert content["per_class"]["c"] == {"support": 0, **nothing, **dict.fromkeys(with_limits(nothing))}


def test_headline_metrics(metrics):
    names = ["accuracy", "accuracy_low", "accuracy_high", "macro_f1", "log_loss", "ece", "n"]
    assert headline(metrics) == {name: metrics[name] for name in names} | {"baseline_accuracy": pytest.approx(0.6)}
