"""Exported files predict like the model in other runtimes, or are refused."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.errors import PixmillError
from pixmill.core.manifest import SPLIT, write_table
from pixmill.models.classifier import Classifier, Preprocessing
from pixmill.models.exported import read_exported
from pixmill.models.layers import head_features
from pixmill.models.litert import load_outputs
from pixmill.models.model_folder import load_classifier
from pixmill.models.novelty import Novelty, save_novelty
from pixmill.serve.export import exporting
from pixmill.serve.export.agreement import Agreement
from pixmill.serve.export.card import ModelCard, render_card
from pixmill.serve.export.conversion import FORMATS, SMALL
from pixmill.serve.export.exporting import export
from pixmill.serve.export.html import runtime
from pixmill.serve.predict.model import find_model
from tests.command import run_pixmill
from tests.evaluate.conftest import completed
from tests.images.packed import pack_images
from tests.images.samples import encoded, shapes
from tests.models.test_exported import DESCRIPTION

SIDE = 24
TEST = 40
LABELS = ("coat", "kurtā", "T-shirt & top")
LICENCES = ["https://creativecommons.org/licenses/by-sa/4.0/", None, "ask *us* <first>"]


def write_split(folder, *, training):
    """Write a manifest and packed images of the three splits."""
    rows = []
    for part, count in (("train", len(training)), ("val", 3), ("test", TEST)):
        seeds = {"train": 0, "val": 1000, "test": 2000}[part]
        pixels = training if part == "train" else images(count, seeds)
        pack_images(folder, part, pixels)
        for row in range(count):
            name = hashlib.sha256(f"{part} {row}".encode()).hexdigest()
            rows.append(
                {
                    "id": name,
                    "label": LABELS[row % 3],
                    "source": "wikimedia" if row % 2 else "folder",
                    "licence": LICENCES[row % 3],
                    "group": name,
                    "cluster": name,
                    "split": part,
                    "row": row,
                }
            )
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    write_table(folder / "manifest.parquet", completed(frame), SPLIT)


def images(count, seed=0):
    return np.stack([np.asarray(shapes(seed + number, SIDE, SIDE)) for number in range(count)])


@pytest.fixture(scope="module")
def project(trained_folder, tmp_path_factory):
    """A project with a trained model that has a novelty scorer and was not evaluated."""
    root = tmp_path_factory.mktemp("project") / "garments"
    folder = shutil.copytree(trained_folder, root / "artifacts" / "train")
    width = head_features(load_classifier(folder)[0]).shape[-1]
    mean = np.zeros(width, np.float32)
    scale = np.ones(width, np.float32)
    save_novelty(folder, Novelty(mean, scale, np.eye(width, 2, dtype=np.float32)))
    write_split(root / "artifacts" / "split", training=images(30))
    (root / "dvc.yaml").write_text("stages: {}\n")
    return root


@pytest.fixture(scope="module")
def exported(project):
    """An export of all formats."""
    return export(project, project / "exported", max_drop=1)


@pytest.fixture
def broken(project, tmp_path):
    """A project whose Keras weights differ from its converted network: red and blue are swapped."""
    root = shutil.copytree(project, tmp_path / "broken", ignore=shutil.ignore_patterns("exported"))
    model, _ = load_classifier(root / "artifacts" / "train")
    first = next(layer for layer in model.layers if layer.weights)
    kernel, *rest = first.get_weights()
    assert kernel.shape[2] == 3
    first.set_weights([kernel[:, :, ::-1], *rest])
    model.save_weights(root / "artifacts" / "train" / "model.weights.h5")
    return root


@pytest.mark.usefixtures("litert_js")
def test_every_format_is_written_with_labels_and_card(exported):
    assert exported.refused == exported.missing == {}
    files = {name: file for name, file in FORMATS.items() if name != SMALL}
    names = {path.name for path in exported.folder.iterdir()}
    assert names == {*files.values(), "labels.txt", "README.md"}
    assert {name: size for name, (_, size) in exported.checked.items()} == {
        name: (exported.folder / file).stat().st_size for name, file in files.items()
    }


def test_exports_the_novelty_only_with_a_limit(project, exported, tmp_path):
    assert len(load_outputs(exported.folder / "model.tflite")[1]) == 1
    root = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("exported"))
    path = root / "artifacts" / "train" / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"novelty_limit": 0.7}))
    export(root, tmp_path / "out", ["litert"])
    file = tmp_path / "out" / "model.tflite"
    assert len(load_outputs(file)[1]) == 2
    with zipfile.ZipFile(file) as archive:
        assert json.loads(archive.read("pixmill.json"))["format"] == 2


def test_int8_has_float_inputs_and_outputs(exported):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(exported.folder / "model_int8.tflite"))
    interpreter.allocate_tensors()
    for details in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        assert details["dtype"] is np.float32
    types = [
        details["dtype"]
        for details in interpreter.get_tensor_details()
        if len(details["shape"]) == 4
    ]
    assert types.count(np.int8) > types.count(np.float32)


def test_onnx_metadata(exported):
    import onnx

    model = onnx.load(exported.folder / "model.onnx")
    onnx.checker.check_model(model)
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["labels.txt"].split("\n") == [*LABELS, ""]
    assert found["pixmill.json"] == read_exported(exported.folder / "model.tflite").as_json()


def test_litert_metadata(exported):
    description = read_exported(exported.folder / "model.tflite")
    assert (description.labels, description.image_size, description.name) == (
        LABELS,
        SIDE,
        "garments",
    )
    assert (description.temperature, description.threshold, description.target_accuracy) == (
        0.4,
        0.45,
        0.9,
    )
    assert re.fullmatch("[0-9a-f]{64}", description.digest)
    assert read_exported(exported.folder / "model_int8.tflite") == description


@pytest.mark.parametrize("place", range(3), ids=["litert", "onnx", "keras"])
def test_code_examples_in_the_card(exported, project, tmp_path, monkeypatch, capsys, place):
    for path in exported.folder.iterdir():
        (tmp_path / path.name).hardlink_to(path)
    content = encoded(shapes(5, 60, 40), "png")
    (tmp_path / "photo.jpg").write_bytes(content)
    card = (tmp_path / "README.md").read_text()
    prepare, *examples = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    assert len(examples) == 3
    exec(prepare + examples[place], {})
    label, _, confidence = capsys.readouterr().out.strip().rpartition(" ")
    (expected,) = Classifier.load(project / "artifacts" / "train").predict([content])
    assert label == expected.label
    assert float(confidence) == pytest.approx(expected.confidence, abs=1e-5)


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(60, 40), (300, 7)])
def test_preprocessing_in_the_card(tmp_path, aspect, size):
    facts = ModelCard(replace(DESCRIPTION, aspect=aspect), None, None, 0.95, {}, {}, {}, [])
    (code,) = re.findall(r"```python\n(.*?)```", render_card(facts, {}), re.DOTALL)
    image = shapes(3, *size)
    image.putalpha(image.convert("L"))
    content = encoded(image, "png")
    (tmp_path / "photo.png").write_bytes(content)
    names = {}
    exec(code.partition("labels = ")[0], names)
    found = names["prepare"](tmp_path / "photo.png")
    np.testing.assert_allclose(
        found[0], Preprocessing(24, aspect, "bicubic")(content), rtol=0, atol=1
    )


@pytest.mark.parametrize("window", [None, (0.0, 4095.0)])
def test_the_card_opens_deep_images_as_predict_does_or_refuses_them(tmp_path, window):
    description = replace(DESCRIPTION, aspect="stretch", window=window)
    facts = ModelCard(description, None, None, 0.95, {}, {}, {}, [])
    (code,) = re.findall(r"```python\n(.*?)```", render_card(facts, {}), re.DOTALL)
    values = np.random.default_rng(0).integers(0, 4096, (24, 24), dtype=np.uint16)
    content = encoded(Image.fromarray(values), "png")
    (tmp_path / "photo.png").write_bytes(content)
    names = {}
    exec(code.partition("labels = ")[0], names)
    if window is None:
        with pytest.raises(ValueError, match="more than 8 bits"):
            names["prepare"](tmp_path / "photo.png")
    else:
        np.testing.assert_allclose(
            names["prepare"](tmp_path / "photo.png")[0],
            Preprocessing(24, "stretch", "bicubic", window=window)(content),
            rtol=0,
            atol=1,
        )


@pytest.mark.slow
@pytest.mark.usefixtures("litert_js")
def test_exports_are_reproducible(project, tmp_path):
    first = export(project, tmp_path / "first", ["litert", "onnx", "html"], max_drop=1).folder
    # In another process, sets have another order.
    command = [sys.executable, "-m", "pixmill", "export", "litert", "onnx", "html"]
    command += ["--output", tmp_path / "again"]
    printed = subprocess.run(
        command, cwd=project, check=True, timeout=300, stderr=subprocess.PIPE, text=True
    ).stderr
    assert printed.endswith(
        f"\nNext: pixmill predict --model {tmp_path / 'again' / 'model.tflite'} photo.jpg\n"
    )
    for name in ("model.tflite", "model.onnx", "model.html", "labels.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (first / name).read_bytes(), name
    assert not (tmp_path / "again" / "model.keras").exists()


def test_refuses_conversions_that_change_predictions(broken, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(broken)
    output = tmp_path / "out"
    output.mkdir()
    (output / ".part-1-model.tflite").write_bytes(b"left by a killed export")
    (output / "model.html").write_bytes(b"of an earlier export")
    assert run_pixmill("export", "litert", "keras", "--output", str(output)) == 1
    printed = capsys.readouterr().err
    assert "model.tflite was refused: a probability differs by" in printed
    assert "model.keras was refused: a probability differs by" in printed
    assert "earlier export: model.html\n" in printed
    assert {path.name for path in output.iterdir()} == {"labels.txt", "README.md"}
    card = (output / "README.md").read_text()
    for name in ("model.tflite", "model.keras"):
        assert f"- `{name}`: a probability differs by" in card


def test_limits_by_format():
    same = Agreement(n=100, same=1.0, largest=2e-5, accuracy=0.9, drop=0.0)
    assert "differs by 2e-05" in same.refusal("litert", max_drop=0.03)
    assert same.refusal("onnx", max_drop=0.03) is None
    assert same.refusal("int8", max_drop=0.03) is None
    assert "of the answers are the same" in replace(same, same=0.89).refusal("int8", max_drop=1)
    assert "drops by 4.0 points" in replace(same, drop=0.04).refusal("int8", max_drop=0.03)


def test_does_not_replace_another_readme(project, tmp_path):
    (tmp_path / "README.md").write_text("# Mine\n")
    with pytest.raises(PixmillError, match="was not written by this command"):
        export(project, tmp_path, ["litert"])
    assert (tmp_path / "README.md").read_text() == "# Mine\n"


def test_keeps_an_earlier_page_without_its_runtime(project, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime, "RELEASED", tmp_path / "none.tgz")
    (tmp_path / "model.html").touch()
    with pytest.raises(PixmillError) as caught:
        export(project, tmp_path, ["html"])
    assert "npm pack" in caught.value.next
    assert (tmp_path / "model.html").exists()


@pytest.mark.parametrize("name", ["data", "data/coat", "artifacts/../artifacts/train"])
def test_refuses_folders_of_the_pipeline(tmp_path, name):
    with pytest.raises(PixmillError, match="belongs to the pipeline"):
        export(tmp_path, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_model_in_production_comes_with_the_files_of_its_commit(
    project, exported, tmp_path, monkeypatch
):
    def read(name):
        return (project / name).read_bytes() if name.startswith("artifacts/") else b"{}"

    def files(output):
        return [f"{output}/{path.name}" for path in (project / output).iterdir()]

    own = find_model(None, project)
    promoted = replace(own, path=tmp_path / "fetched", version="1", commit="a" * 40)
    root = tmp_path / "later"  # trained again, on other images
    root.mkdir()
    find = {None: promoted, "runs:/x": replace(promoted, digest="0" * 64)}
    monkeypatch.setattr(
        exporting, "find_model", lambda spec, root: find.get(spec) or find_model(spec, root)
    )
    monkeypatch.setattr(exporting, "find", lambda *_: None)
    monkeypatch.setattr(exporting, "DvcStore", lambda *_: None)
    monkeypatch.setattr(exporting, "Tree", lambda *_: SimpleNamespace(read=read, files=files))
    done = export(root, tmp_path / "out", ["litert"])
    assert done.checked["litert"][0] == exported.checked["litert"][0]
    assert read_exported(tmp_path / "out" / "model.tflite").commit == "a" * 40
    with pytest.raises(PixmillError) as caught:
        export(root, tmp_path / "out", ["litert"], model="runs:/x")
    assert "--model artifacts/train" in caught.value.next
