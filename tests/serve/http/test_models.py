"""Replacing the model in service."""

import asyncio
import contextlib
import hashlib
import logging
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from fastapi import Request

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import read_json, write_json
from pixmill.dataset.log_writer import PredictionLog
from pixmill.dataset.prediction_log import read_log
from pixmill.local.problems import ProblemError
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.serve.export.html import runtime
from pixmill.serve.http.api import Endpoints, page
from pixmill.serve.http.metrics import Metrics
from pixmill.serve.http.models import Models, answer_row
from pixmill.serve.http.schemas import Predicted
from pixmill.serve.predict.model import Model
from tests.serve.http.conftest import picture

pytestmark = pytest.mark.linux


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_folder, tmp_path / "model"))


@contextlib.contextmanager
def opened(place: Path) -> Iterator[Models]:
    models = Models(str(place), None, workers=1)
    models.open()
    try:
        yield models
    finally:
        models.close()


@pytest.fixture
def models(folder: Path) -> Iterator[Models]:
    with opened(folder) as models:
        yield models


def change(folder: Path, **values: object) -> None:
    write_json(
        folder / "calibration.json",
        {**read_json(folder / "calibration.json", stage="train"), **values},
    )


def confidence(models: Models) -> float:
    assert models.current is not None
    (future,) = models.current.predict([picture()])
    return float(future.result().prediction.confidence)


def test_keeps_the_workers_of_an_unchanged_model(models: Models) -> None:
    loaded, models._seen = models.current, None  # such as after its folder was missing for a moment
    asyncio.run(models.refresh())
    assert models.current is loaded


def test_replaces_a_changed_model(
    models: Models, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = confidence(models)
    old = models.current
    processes = len(psutil.Process().children())
    asyncio.run(models.refresh())
    assert models.current is old
    change(folder, temperature=0.1)
    assert old.predict([picture()])[0].result().prediction.confidence == before
    with caplog.at_level(logging.INFO, "pixmill.serve"):
        asyncio.run(models.refresh())
    assert confidence(models) > before
    assert models.refused is None
    assert "serving model " in caplog.text
    assert len(psutil.Process().children()) == processes


def test_the_file_is_built_again_after_a_new_name_or_a_failure(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = models.current
    assert loaded is not None
    started = threading.Event()
    goes_on = threading.Event()

    def build(model: Model) -> bytes:
        if model.name == "slow":
            started.set()
            assert goes_on.wait(10)
        if model.name == "broken":
            raise MemoryError
        return model.name.encode()

    async def ask() -> None:
        loaded.rename(replace(loaded.model, name="slow"))
        old = asyncio.ensure_future(loaded.page())
        await asyncio.to_thread(started.wait, 10)
        loaded.rename(replace(loaded.model, name="new"))
        await loaded.page()
        goes_on.set()
        await old
        assert (await loaded.page()).read_bytes() == b"new"
        loaded.rename(replace(loaded.model, name="broken"))
        with pytest.raises(MemoryError):
            await loaded.page()
        loaded.model = replace(loaded.model, name="repaired")
        assert (await loaded.page()).read_bytes() == b"repaired"

    monkeypatch.setattr("pixmill.serve.http.models.build_page", build)
    asyncio.run(ask())


def test_keras_starts_with_the_server_and_not_for_what_is_refused(models: Models) -> None:
    endpoints = Endpoints(models, Metrics(models), None, None, None, (), is_local=True)
    loaded = endpoints.loaded
    assert loaded.explains
    with pytest.raises(ProblemError) as raised:
        asyncio.run(endpoints.explain(b"no image", None))
    assert (raised.value.status, loaded.keras) == (422, None)
    loaded.warm()
    assert loaded.keras is not None


@pytest.mark.usefixtures("litert_js")
@pytest.mark.parametrize("is_local", [True, False])
def test_the_file_needs_its_runtime(
    models: Models, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    endpoints = Endpoints(models, Metrics(models), None, None, None, (), is_local)
    request = Request({"type": "http", "method": "GET", "headers": []})
    monkeypatch.setattr(runtime, "missing_runtime", lambda: PixmillError("none", next="npm pack"))
    with pytest.raises(ProblemError) as raised:
        asyncio.run(page(request, endpoints))
    assert raised.value.status == 404
    assert ("npm pack" in raised.value.detail) == is_local
    monkeypatch.undo()
    assert asyncio.run(page(request, endpoints)).status_code == 200


@pytest.mark.parametrize(
    ("name", "damage", "why"),
    [
        (
            "labels.json",
            lambda whole: whole.replace(b'"labels": [', b'"labels": ["more", '),
            "expected 4 outputs",
        ),
        ("network.tflite", lambda whole: whole[:5000], "not an intact network"),
        (
            "model.tflite",
            lambda whole: whole[: len(whole) // 2],
            "model.tflite is not a model that Pixmill exported",
        ),
    ],
)
def test_refuses_a_broken_model_until_it_is_repaired(
    folder: Path, exported: Path, name: str, damage: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = folder / name if (folder / name).exists() else Path(shutil.copy(exported, folder / name))
    whole = file.read_bytes()
    with opened(file if name == "model.tflite" else folder) as models:
        before = confidence(models)
        file.write_bytes(damage(whole))
        assert file.read_bytes() != whole
        for _ in range(2):
            asyncio.run(models.refresh())
            assert why in (models.refused or "")
            assert confidence(models) == before
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert caplog.text.count("refused a newer model") == 1
        file.write_bytes(whole)
        asyncio.run(models.refresh())
        assert models.refused is None
        assert confidence(models) == before


def test_does_not_start_with_a_broken_model(folder: Path) -> None:
    (folder / "network.tflite").write_bytes(b"TFL3" * 100)
    models = Models(str(folder), None, workers=1)
    with pytest.raises(PixmillError, match="not an intact network"):
        models.open()
    assert models.current is None
    models.close()


def ask(models: Models, *images: bytes) -> None:
    """Predict and log images as the API does."""
    assert models.current is not None
    for image in images:
        models.write(models.current.model, image, models.current.predict([image])[0].result())


def test_logs_the_answers_of_a_second_model(
    folder: Path, trained_folder: Path, tmp_path: Path
) -> None:
    labels = read_json(folder / "labels.json", stage="train")
    write_json(folder / "labels.json", labels | {"labels": ["x", "y", "z"]})
    log = PredictionLog(tmp_path / "log")
    models = Models(str(trained_folder), None, workers=1, log=log, shadow=str(folder))
    models.open()
    assert models.current is not None
    assert models.shadow is not None
    model = models.current.model
    second = models.shadow
    try:
        ask(models, picture(1), b"no image")
        second._service.close()  # such as while it is busy
        ask(models, picture(2))
    finally:
        models.close()
    ((about, table),) = read_log(tmp_path / "log")
    assert about == {
        **model.identity,
        "labels": [*model.labels],
        "shadow": second.model.identity,
    }
    found = {row["id"]: row for row in table.to_pylist()}
    rows = [
        found[hashlib.sha256(image).hexdigest()] for image in (picture(1), b"no image", picture(2))
    ]
    other = {"x": "coat", "y": "kurtā", "z": "T-shirt & top", None: None}
    assert other[rows[0]["shadow"]] == rows[0]["predicted"] is not None
    assert [row["reason"] for row in rows] == [None, "unknown", None]
    assert [row["shadow"] for row in rows[1:]] == [None, None]
    assert [row["bytes"] for row in rows] == [len(picture(1)), None, len(picture(2))]


def test_asks_the_second_model_only_about_images_that_are_logged(
    folder: Path, tmp_path: Path
) -> None:
    with PredictionLog(tmp_path, share=1e-9) as log:
        asked: list[object] = []
        models = Models(str(folder), None, workers=1, log=log)
        models.shadow = SimpleNamespace(  # type: ignore[assignment]
            model=SimpleNamespace(identity={}), predict=asked.append
        )
        model = SimpleNamespace(about={})
        answer = Answer("f" * 64, Prediction("a"), SimpleNamespace())  # type: ignore[arg-type]
        models.write(model, b"", answer)  # type: ignore[arg-type]
    assert asked == []


def test_refuses_a_second_model_of_another_task(
    folder: Path, labels_folder: Path, tmp_path: Path
) -> None:
    with PredictionLog(tmp_path / "log") as log:
        models = Models(str(folder), None, workers=1, log=log, shadow=str(labels_folder))
        with pytest.raises(PixmillError, match="task labels"):
            models.open()
    assert (models.current, models.shadow) == (None, None)


def test_rows_and_metrics_of_several_labels() -> None:
    prediction = Prediction(
        "dark",
        0.7,
        None,
        np.array([0.7, 0.2]),
        labels={"dark": True, "long": False},
        sure_labels={"dark": True, "long": None},
    )
    row = answer_row(Answer("0" * 64, prediction), ("dark", "long"))
    assert row["labels"] == [
        {"label": "dark", "probability": 0.7, "answer": True, "sure": True},
        {"label": "long", "probability": 0.2, "answer": False, "sure": None},
    ]
    assert Predicted.model_validate(row).labels is not None
    metrics = Metrics(SimpleNamespace(current=None))  # type: ignore[arg-type]
    metrics.count_prediction(prediction)
    text = metrics.text().decode()
    assert 'pixmill_answers_total{answer="yes",label="dark",sure="true"} 1.0' in text
    assert 'pixmill_answers_total{answer="no",label="long",sure=""} 1.0' in text
    assert 'pixmill_predictions_total{label="",sure=""} 1.0' in text
