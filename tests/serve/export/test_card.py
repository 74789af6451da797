"""The model card: content from the project's files, and escaping of untrusted names."""

import ast
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from pixmill.core.files.writing import read_json
from pixmill.core.manifest import SPLIT, write_table
from pixmill.models.exported import labels_text
from pixmill.models.model_folder import load_classifier
from pixmill.serve.export.agreement import Agreement
from pixmill.serve.export.card import ModelCard, gather, render_card
from pixmill.serve.export.conversion import calibrate, convert
from pixmill.serve.export.exporting import _load
from pixmill.serve.predict.model import find_model
from tests.evaluate.conftest import completed
from tests.images.samples import encoded, shapes
from tests.models.test_exported import DESCRIPTION, OF_LABELS

HOSTILE = (
    "a|b](javascript:x) <img src=x onerror=alert(1)> `c` [d](http://evil.test) @me "
    "www.evil.test\n# top\u202e"
)
CHECKED = {
    "litert": (Agreement(262, 1.0, 4.9e-8, 0.897, 0.0), 13_461_874),
    "int8": (Agreement(262, 0.9733, 0.66, 0.878, 0.0191), 3_983_006),
}


@pytest.fixture(scope="module")
def metrics(repository):
    return read_json(repository / "plots" / "evaluate" / "full.json", stage="evaluate")


@pytest.fixture
def facts(metrics):
    return ModelCard(
        description=replace(
            DESCRIPTION,
            labels=tuple(metrics["per_class"]),
            metrics={"accuracy": metrics["accuracy"]},
        ),
        network="A logistic regression on features of EfficientNet-Lite0",
        preset=None,
        confidence=0.95,
        metrics=metrics,
        hashes={"data": "0e739e28.dir"},
        counts={"train": 816, "val": 169, "test": 262},
        origins=[("shop", None, 800), ("wikimedia", "CC BY-SA 4.0", 16)],
    )


def front_matter(card):
    _, text, _ = card.split("---\n", 2)
    return yaml.safe_load(text)


def test_front_matter_for_model_hubs(facts, metrics):
    found = front_matter(render_card(facts, CHECKED, licence="cc-by-4.0"))
    assert found["license"] == "cc-by-4.0"
    assert found["pipeline_tag"] == "image-classification"
    assert found["library_name"] == "litert"
    (model,) = found["model-index"]
    (result,) = model["results"]
    assert result["task"]["type"] == "image-classification"
    assert {"type", "name"} <= result["dataset"].keys()
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {
        "accuracy": metrics["accuracy"],
        "f1": metrics["macro_f1"],
    }


def test_novelty_limit_of_files_with_that_output(facts):
    novel = replace(facts, description=replace(facts.description, novelty_limit=0.686961))
    assert "`novelty`, of shape (1, 1): above 0.686961 " in render_card(novel, CHECKED)
    assert "novelty`" not in render_card(novel, {"int8": CHECKED["int8"]})
    both = dict.fromkeys(("litert", "onnx"), CHECKED["litert"])
    assert "- `model.tflite` and `model.onnx` have another output, `novelty`" in render_card(
        novel, both
    )
    assert "4. The output `probabilities` has shape" in render_card(novel, both)
    plain = render_card(facts, {"litert": CHECKED["litert"]})
    assert [word in plain for word in ("novelty`", "int8", "4. The output has shape")] == [
        False,
        False,
        True,
    ]


def test_results_limits_and_origin(facts, metrics):
    card = render_card(facts, CHECKED)
    weakest = min(metrics["per_class"], key=lambda label: metrics["per_class"][label]["f1"])
    first = card.partition("Weakest classes:")[2].splitlines()[4]
    assert first.startswith(f"| {weakest} |")
    assert "the model answers “not sure”" in card
    assert "\n## Classes\n\ncoat, dress, shirt, sneaker, trouser\n\n## Results\n" in card
    assert card.count("\n|---|---|---|---|---|---|\n| ") == 2
    assert card.endswith("```\n")
    assert "gives another class for 2.7 % of the test images" in card
    assert "816 images for training, 169 for validation" in card
    assert "`data` `0e739e28.dir`" in card
    assert "| model_int8.tflite | 97.33 % | 6.6e-01 | 87.80 % | -1.91 points | 4.0 MB |" in card


def test_untrusted_names_are_escaped(facts):
    description = replace(facts.description, labels=(HOSTILE, "coat"), name=HOSTILE)
    per_class = {
        HOSTILE: facts.metrics["per_class"]["coat"],
        "coat": facts.metrics["per_class"]["coat"],
    }
    hostile = replace(
        facts,
        description=description,
        metrics=facts.metrics | {"per_class": per_class},
        origins=[(HOSTILE, HOSTILE, 816)],
    )
    card = render_card(hostile, CHECKED, licence=HOSTILE)
    assert front_matter(card)["model-index"][0]["name"] == HOSTILE
    text = card.split("---\n", 2)[2]
    lines = [line for line in text.splitlines() if "evil" in line]
    assert len(lines) == 6  # title, licence, class, weakest class, intended use, source
    for line in lines:
        assert re.findall(r"(?<!\\)[\[\]<>`@]|https?://|www\.|\u202e", line) == []
    assert [line.replace(r"\|", "").count("|") for line in lines if line.startswith("|")] == [7, 4]


def test_gather(repository, tmp_path, metrics):
    for name in ("dvc.lock", "data.dvc"):
        shutil.copyfile(repository / name, tmp_path / name)
    (tmp_path / "plots" / "evaluate").mkdir(parents=True)
    shutil.copy(repository / "plots" / "evaluate" / "full.json", tmp_path / "plots" / "evaluate")
    licences = ["by-sa", "https://creativecommons.org/licenses/by-sa/4.0/", " ", None, "mine"]
    frame = pd.DataFrame(
        {
            "id": [f"{row:064x}" for row in range(6)],
            "label": "coat",
            "source": "wikimedia",
            "licence": [*licences, "mine"],
            "split": ["train"] * 5 + ["test"],
            "row": [0, 1, 2, 3, 4, 0],
        }
    )
    write_table(tmp_path / "artifacts" / "split" / "manifest.parquet", completed(frame), SPLIT)
    found = gather(tmp_path, replace(DESCRIPTION, metrics={"accuracy": 0.9}))
    assert found.metrics == metrics
    assert found.network == "A logistic regression on features of EfficientNet-Lite0"
    assert found.confidence == 0.95
    assert found.counts == {"train": 5, "test": 1}
    assert found.origins == [
        ("wikimedia", None, 2),
        ("wikimedia", "CC BY-SA", 1),
        ("wikimedia", "CC BY-SA 4.0", 1),
        ("wikimedia", "mine", 1),
    ]
    assert set(found.hashes) == {
        "data",
        "artifacts/scrape",
        "artifacts/validate",
        "artifacts/split",
    }
    assert gather(tmp_path, replace(DESCRIPTION, metrics={})).metrics == {}


def test_code_of_several_labels(labels_folder, tmp_path, monkeypatch, capsys):
    classifier, description = _load(labels_folder, find_model(str(labels_folder), None))
    path = tmp_path / "model.tflite"
    network = calibrate(load_classifier(labels_folder)[0], description.temperatures)
    convert("litert", network, path, description=description, training=None)
    (tmp_path / "labels.txt").write_text(labels_text(description.labels), encoding="utf-8")
    content = encoded(shapes(5, 60, 40), "png")
    (tmp_path / "photo.jpg").write_bytes(content)
    facts = ModelCard(description, None, None, 0.95, {}, {}, {}, [])
    card = render_card(facts, {"litert": CHECKED["litert"]})
    monkeypatch.chdir(tmp_path)
    exec("".join(re.findall(r"```python\n(.*?)```", card, re.DOTALL)), {})
    (expected,) = classifier.predict([content])
    assert ast.literal_eval(capsys.readouterr().out) == {
        label: (has, bool(expected.sure_labels[label])) for label, has in expected.labels.items()
    }


def test_results_of_several_labels(facts):
    row = {"f1": 0.8, "precision": 0.7, "recall": 0.9, "average_precision": 0.85, "support": 12}
    metrics = {
        "mean_average_precision": 0.93,
        "exact_match": 0.71,
        "log_loss": 0.2,
        "ece": 0.02,
        "n": 262,
        "baseline_average_precision": 0.3,
        "per_class": dict.fromkeys(OF_LABELS.labels, row),
    }
    card = render_card(replace(facts, description=OF_LABELS, metrics=metrics), CHECKED)
    (model,) = front_matter(card)["model-index"]
    assert [each["value"] for each in model["results"][0]["metrics"]] == [0.93]
    assert "| all labels of an image right | 0.71 |" in card
    assert "| kurtā | 0.3 | 0.8 |  |" in card
