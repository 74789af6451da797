"""A model is rolled back while a server answers with it: no request fails."""

import asyncio
import json
import shutil
import time

import pytest

from benchmarks.load import load
from pixmill.core.files import write_json
from pixmill.core.workspace import Workspace
from pixmill.record.model_format import save_classifier_model
from pixmill.record.store import connect, quiet_mlflow
from pixmill.registry.model_versions import REPLACES, Registry
from tests.command import run_pixmill
from tests.images.samples import encoded, shapes
from tests.serve.load.server import Running, upload

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]


@pytest.fixture
def registry(trained_folder, tmp_path, monkeypatch):
    """Two versions of a real classifier with other calibrations; the second one is the champion."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "garments"\nversion = "1"\n')
    (tmp_path / "params.yaml").write_text("classes: [coat, dress]\nscrape: {snapshot: '2026-11-20'}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    quiet_mlflow()
    connect(f"sqlite:///{tmp_path}/mlflow.db")
    registry = Registry(Workspace(tmp_path, tmp_path))
    for number, temperature in ((1, 1.0), (2, 5.0)):
        folder = shutil.copytree(trained_folder, tmp_path / str(number))
        file = folder / "calibration.json"
        write_json(file, {**json.loads(file.read_text()), "temperature": temperature})
        save_classifier_model(folder, tmp_path / f"model-{number}")
        tags = {REPLACES: "1"} if number == 2 else {}
        assert registry.register(str(tmp_path / f"model-{number}"), run=None, model_id=None, tags=tags) == number
    registry.move("champion", 2)
    return registry


def test_no_request_fails(registry, tmp_path, capsys):
    image = encoded(shapes(3), "PNG")
    arguments = ["--model", "models:/garments@champion", "--poll", "0.5", "--workers", "2"]
    environ = {"MLFLOW_TRACKING_URI": registry.store}
    with Running(*arguments, cwd=tmp_path, environ=environ) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert run_pixmill("models", "--serving", url) == 0
        softer = server.predict(image)[0]["confidence"]

        def back():
            assert run_pixmill("rollback", "--because", "it is less sure") == 0
            latest = time.monotonic() + 60
            while run_pixmill("models", "--serving", url):
                assert time.monotonic() < latest
                time.sleep(0.2)

        async def act():
            noise = asyncio.create_task(load(server.port, [upload(image)], connections=4, seconds=10))
            await asyncio.sleep(1)
            await asyncio.to_thread(back)
            return await noise

        told = asyncio.run(act())
        assert set(told["answers"]) == {"200"}
        assert server.ask("GET", "/v1/model")[1]["version"] == "1"
        assert server.predict(image)[0]["confidence"] > softer
    assert "serves garments version 1, which is champion." in capsys.readouterr().out
    assert registry.aliases() == {"champion": 1}
