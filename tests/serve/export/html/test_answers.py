"""The page of each kind of model gives the answers of Python, in Chromium."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from pixmill.core.params import BackboneParams, TrainParams
from pixmill.models.classifier import Classifier
from pixmill.models.determinism import fix_threads
from pixmill.models.layers import head_features
from pixmill.models.litert_export import export_classifier
from pixmill.models.model_folder import load_classifier, save_classifier
from pixmill.models.networks import build_classifier
from pixmill.models.novelty import Novelty
from pixmill.serve.export.conversion import calibrate, convert
from pixmill.serve.export.html.page import build_page
from pixmill.serve.predict.model import find_model
from tests.browsing import open_chrome
from tests.models.test_exported import DESCRIPTION

_PREDICT = """
const [contents, done] = arguments;
load(embedded.modules, 'api').then(async ({ predict }) => {
  const found = [];
  for (const content of contents) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    found.push(await predict(new Blob([bytes])));
  }
  done(found);
});
"""


@pytest.fixture(scope="module")
def contents(shared: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((shared / "photos").glob("0*.*"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chrome() as driver:
        yield driver


def novelty_of(network: Any) -> Novelty:
    width = head_features(network).shape[-1]
    ones = np.ones(width, np.float32)
    return Novelty(0 * ones, ones, np.eye(width, 2, dtype=np.float32))


def limits(path: Path, contents: list[bytes]) -> tuple[float, float | None]:
    """Return a threshold, and a limit of the novelty if it is known, between those of images."""
    classifier = Classifier.load(path)
    found = classifier.predict(contents)
    pixels = np.stack([classifier.preprocessing(content) for content in contents])
    _, novelty = classifier.score_pixels(pixels)
    threshold = median(one.confidence for one in found if one.confidence is not None)
    return threshold, None if novelty is None else float(np.median(novelty))


def write_calibration(folder: Path, **values: float | None) -> None:
    (folder / "calibration.json").write_text(json.dumps(values))


def one_network(folder: Path, trained: Path, contents: list[bytes], _: Path) -> Path:
    shutil.copytree(trained, folder)
    write_calibration(folder, temperature=0.4)
    write_calibration(folder, temperature=0.4, threshold=limits(folder, contents)[0])
    return folder


def uncalibrated(folder: Path, trained: Path, _: list[bytes], __: Path) -> Path:
    shutil.copytree(trained, folder)
    write_calibration(folder, temperature=None, threshold=None)
    return folder


def two_networks(folder: Path, _: Path, contents: list[bytes], tiny_backbone: Path) -> Path:
    params = TrainParams(model="features", backbone=BackboneParams(name="plugin:tiny"))
    network = build_classifier(params, labels=3, image_size=24, root=tiny_backbone)
    save_classifier(
        network, DESCRIPTION.labels, folder, image_size=24, aspect="crop", resize="bilinear"
    )
    export_classifier(
        network,
        params,
        folder,
        scratch=folder / "scratch",
        novelty=novelty_of(network),
        root=tiny_backbone,
    )
    write_calibration(folder, temperature=1.7)
    threshold, limit = limits(folder, contents)
    write_calibration(folder, temperature=1.7, threshold=threshold, novelty_limit=limit)
    return folder


def exported_file(path: Path, trained: Path, contents: list[bytes], _: Path) -> Path:
    path = path.with_suffix(".tflite")
    network = calibrate(load_classifier(trained)[0], DESCRIPTION.temperature)

    def write(**values: Any) -> None:
        convert(
            "litert",
            network,
            path,
            description=replace(DESCRIPTION, **values),
            training=None,
            novelty=novelty_of(network),
        )

    write(novelty_limit=0.5)
    threshold, limit = limits(path, contents)
    write(threshold=threshold, novelty_limit=limit)
    return path


@pytest.mark.usefixtures("model_page")
def test_it_answers_for_each_label_as_python_does(
    browser: Any, contents: list[bytes], labels_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "model.html"
    page.write_bytes(build_page(find_model(str(labels_folder), None)))
    browser.get(page.as_uri())
    sent = [base64.b64encode(content).decode() for content in contents]
    found = browser.execute_async_script(_PREDICT, sent)
    for answer, one in zip(found, Classifier.load(labels_folder).predict(contents), strict=True):
        for name in ("label", "sure", "unlike"):
            assert answer[name] == getattr(one, name)
        assert {each["label"]: each["answer"] for each in answer["labels"]} == one.labels
        assert {each["label"]: each["sure"] for each in answer["labels"]} == one.sure_labels
        chances = dict(zip(one.labels or {}, one.probabilities, strict=True))
        assert answer["probabilities"] == pytest.approx(chances, abs=1e-5)
        assert answer["confidence"] == pytest.approx(one.confidence, abs=1e-5)


@pytest.mark.usefixtures("model_page")
@pytest.mark.parametrize(
    ("make", "knows"),
    [
        (one_network, {"sure"}),
        (uncalibrated, set()),
        (two_networks, {"sure", "unlike"}),
        (exported_file, {"sure", "unlike"}),
    ],
)
def test_it_answers_as_python_does(
    browser: Any,
    contents: list[bytes],
    trained_folder: Path,
    tiny_backbone: Path,
    tmp_path: Path,
    make: Callable[[Path, Path, list[bytes], Path], Path],
    knows: set[str],
) -> None:
    fix_threads(2)
    path = make(tmp_path / "model", trained_folder, contents, tiny_backbone)
    page = tmp_path / "model.html"
    page.write_bytes(build_page(find_model(str(path), None)))
    browser.get(page.as_uri())
    sent = [base64.b64encode(content).decode() for content in contents]
    found = browser.execute_async_script(_PREDICT, sent)
    expected = Classifier.load(path).predict(contents)
    for name in ("sure", "unlike"):
        assert {one[name] for one in found} == ({True, False} if name in knows else {None})
    for name in ("label", "sure", "unlike"):
        assert [one[name] for one in found] == [getattr(one, name) for one in expected]
    for answer, one in zip(found, expected, strict=True):
        assert one.probabilities is not None
        chances = dict(zip(DESCRIPTION.labels, one.probabilities, strict=True))
        assert answer["probabilities"] == pytest.approx(chances, abs=1e-5)
        assert answer["confidence"] == pytest.approx(one.confidence, abs=1e-5)
