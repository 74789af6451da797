"""Moving an alias of MLflow's registry replaces the model while requests run."""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import load
from pixmill.core.files.writing import write_json
from tests.images.samples import encoded, shapes
from tests.serve.http.load.server import Running, upload

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

NAME = "garments"


class Registry:
    """Models in a real registry on SQLite; the test moves the alias ``champion``."""

    def __init__(self, root: Path, trained: Path) -> None:
        import mlflow

        from pixmill.tracking.store import quiet_mlflow

        quiet_mlflow()
        self.uri = f"sqlite:///{root}/mlflow.db"
        mlflow.set_tracking_uri(self.uri)
        self._client = mlflow.MlflowClient()
        self._client.create_registered_model(NAME)
        self._root = root
        self._trained = trained

    def register(self, key: str, **calibration: float) -> str:
        """Register a classifier with another calibration, and return its version."""
        from pixmill.models.mlflow_format.saving import save_classifier_model

        folder = self._root / key
        shutil.copytree(self._trained, folder)
        file = folder / "calibration.json"
        write_json(file, {**json.loads(file.read_text()), **calibration})
        save_classifier_model(folder, self._root / f"{key}-model")
        source = str(self._root / f"{key}-model")
        return str(self._client.create_model_version(NAME, source).version)

    def move(self, version: str) -> None:
        self._client.set_registered_model_alias(NAME, "champion", version)


@pytest.fixture
def registry(trained_folder: Path, tmp_path: Path) -> Registry:
    return Registry(tmp_path, trained_folder)


@contextlib.contextmanager
def following(registry: Registry, folder: Path) -> Iterator[Running]:
    """A server that checks the alias every half second."""
    environ = {"MLFLOW_TRACKING_URI": registry.uri}
    arguments = ["--model", f"models:/{NAME}@champion", "--poll", "0.5", "--workers", "2"]
    with Running(*arguments, cwd=folder, environ=environ) as running:
        yield running


def version_of(answer: tuple[int, dict]) -> str:
    return answer[1]["model"]["version"]


def until(server: Running, holds) -> tuple[int, dict]:
    """Wait until a condition holds for ``/readyz``, and return the response."""
    latest = time.monotonic() + 120
    while not holds(answer := server.ask("GET", "/readyz")):
        assert time.monotonic() < latest, answer
        time.sleep(0.1)
    return answer


def test_replaces_models_under_load(registry, tmp_path):
    first = registry.register("first", temperature=1.0)
    second = registry.register("second", temperature=5.0)
    registry.move(first)
    image = encoded(shapes(3), "PNG")
    with following(registry, tmp_path) as server:
        given = server.predict(image)[0]["confidence"]

        async def act() -> dict:
            noise = asyncio.create_task(
                load(server.port, [upload(image)], connections=4, seconds=12)
            )
            await asyncio.sleep(1)
            await asyncio.to_thread(registry.move, second)
            await asyncio.to_thread(until, server, lambda answer: version_of(answer) == second)
            return await noise

        result = asyncio.run(act())
        assert set(result["answers"]) == {"200"}
        assert server.predict(image)[0]["confidence"] < given
