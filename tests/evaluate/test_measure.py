import json

import pandas as pd
import pytest

from pixmill.core.files.writing import write_json
from pixmill.evaluate.measure import headline, measure, measure_training
from pixmill.metrics.limits import accuracy_interval

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
        rows.append(
            {
                "id": f"{part}{number:03}",
                "split": part,
                "label": label,
                "predicted": predicted,
                **given,
            }
        )
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


def held(predictions, *splits):
    return predictions.assign(held_out=predictions["split"].isin(splits))


@pytest.fixture
def metrics(predictions):
    return measured(held(predictions, "val", "test"))


def measured(predictions):
    return measure(
        predictions,
        predictions.set_index("id").index.to_series(),
        LABELS,
        draws=2000,
        confidence=0.95,
    )


def test_metric_names(metrics):
    scalars = {"n", *FIGURES, *with_limits(FIGURES)}
    assert set(metrics) == scalars | {"per_class", "baseline", "val", "cross_validation"}
    assert set(metrics["val"]) == scalars
    assert set(metrics["per_class"]) == set(LABELS)
    of_a_class = {"precision", "recall", "f1"}
    assert set(metrics["per_class"]["a"]) == {"support", *of_a_class, *with_limits(of_a_class)}
    figures = {
        name: (part["n"], part["accuracy"])
        for name, part in {"test": metrics, "val": metrics["val"]}.items()
    }
    assert figures == {"test": (10, pytest.approx(0.7)), "val": (4, pytest.approx(0.75))}
    assert metrics["cross_validation"] is None
    for row in (metrics, metrics["val"], metrics["per_class"]["a"]):
        for name in {name.removesuffix("_low") for name in row if name.endswith("_low")}:
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_baseline_is_the_most_common_class_of_the_test_split(predictions):
    other = pd.concat(
        [predictions[predictions["split"] != "train"], table("train", ["aa", *["bb"] * 9])]
    )
    found = measured(held(other, "val", "test"))
    assert found["baseline"]["majority_accuracy"] == pytest.approx(0.6)


def test_cross_validation_covers_all_held_out_images(predictions):
    crossed = held(predictions, "train", "val", "test")
    crossed.loc[crossed["id"] == "train000", "held_out"] = False
    found = measured(crossed)
    assert (found["n"], found["val"]["n"]) == (10, 13)
    assert found["val"]["accuracy"] == pytest.approx(12 / 13)
    whole = found["cross_validation"]
    assert (whole["n"], whole["accuracy"]) == (23, pytest.approx(19 / 23))
    # The interval is wider than that of as many independent images.
    rows = crossed[crossed["held_out"]]
    right = (rows["label"] == rows["predicted"]).to_numpy(bool)
    low, high = accuracy_interval(right, rows["id"], draws=2000, confidence=0.95)
    assert whole["accuracy"] - whole["accuracy_low"] == pytest.approx(
        1.25 * (whole["accuracy"] - low)
    )
    assert whole["accuracy_high"] == pytest.approx(
        min(1, whole["accuracy"] + 1.25 * (high - whole["accuracy"]))
    )
    apart = measured(held(predictions, "val", "test"))
    both = (headline(one | {"confidence": 0.7}).keys() for one in (found, apart))
    assert next(both) - next(both) == {"cross_validation_accuracy"}


def test_training_accuracy_is_that_of_the_delivered_model_on_what_it_was_fitted_to(predictions):
    apart = measure_training(predictions, held(predictions, "val", "test"), LABELS)
    assert (apart["n"], apart["accuracy"]) == (10, 1)
    whole = measure_training(predictions, held(predictions, "train", "val", "test"), LABELS)
    assert (whole["n"], whole["accuracy"]) == (14, pytest.approx(13 / 14))


def test_class_without_test_images_is_null(metrics, tmp_path):
    write_json(tmp_path / "evaluate.json", metrics)
    content = json.loads((tmp_path / "evaluate.json").read_text(), parse_constant=pytest.fail)
    nothing = {"precision": None, "recall": None, "f1": None}
    assert content["per_class"]["c"] == {
        "support": 0,
        **nothing,
        **dict.fromkeys(with_limits(nothing)),
    }


def test_headline_metrics(metrics):
    names = [
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "macro_f1",
        "log_loss",
        "ece",
        "confidence",
        "n",
    ]
    metrics = metrics | {"confidence": 0.7}
    assert headline(metrics) == {name: metrics[name] for name in names} | {
        "baseline_accuracy": pytest.approx(0.6)
    }
