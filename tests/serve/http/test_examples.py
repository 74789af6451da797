"""Test images as examples, and corrections of them."""

import asyncio
import hashlib
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.datastructures import Headers

from pixmill.core.manifest import write_table
from pixmill.dataset.inbox import Inbox
from pixmill.evaluate.mistakes import VECTORS
from pixmill.local.problems import ProblemError
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.serve.http.api import Endpoints, nearest
from pixmill.serve.predict.model import find_model
from tests.images.packed import pack_images
from tests.serve.http.conftest import Client, picture
from tests.serve.http.load.server import Running


def test_a_correction_of_an_example_names_its_original(
    trained_folder: Path, tmp_path: Path
) -> None:
    names = [f"{number:064x}" for number in range(3)]
    split = tmp_path / "artifacts/split"
    pack_images(split, "test", np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), np.uint8))
    rows = pd.DataFrame(
        {"id": names, "label": ["coat", "coat", "hat"], "split": "test", "row": [2, 0, 1]}
    )
    rows.to_parquet(split / "manifest.parquet")
    (tmp_path / "dvc.yaml").write_text("")
    with Running("--model", str(trained_folder), "--workers", "1", cwd=tmp_path) as running:
        client = Client(running.port, running.process)
        shown = client.get("/v1/examples").json["examples"]
        assert [(one["id"], one["label"]) for one in shown] == [
            (names[0], "coat"),
            (names[1], "coat"),
        ]
        jpeg = client.get(shown[1]["url"]).content
        for content in (jpeg, picture()):
            parts = ("file", "x", content), ("label", None, b"coat")
            assert client.post_parts("/v1/feedback", *parts).status == 201
    inbox = Inbox(tmp_path / "inbox")
    assert {
        inbox.read_image(entry): entry.corrections[0].original for entry in inbox.entries()[0]
    } == {
        jpeg: names[1],
        picture(): None,
    }


def test_nearest_training_images_of_the_evaluated_model(
    tmp_path: Path,
) -> None:
    names = [f"{number:064x}" for number in range(5)]
    split = tmp_path / "artifacts/split"
    pack_images(split, "train", np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8))
    # The last image is no longer in the split.
    rows = pd.DataFrame({"id": names[:4], "label": "coat", "split": "train", "row": range(4)})
    rows.to_parquet(split / "manifest.parquet")
    angles = [
        np.array([np.cos(angle), np.sin(angle)], "<f2").tobytes() for angle in (0, 1, 2, 3, 0.5)
    ]
    (tmp_path / NOVELTY_FILE).write_bytes(b"a model")
    digest = hashlib.md5(b"a model").hexdigest()
    training = pd.DataFrame(
        {
            "row": range(len(names)),
            "id": names,
            "label": ["coat", "hat", "coat", "dress", "coat"],
            "vector": angles,
            "novelty": digest,
        }
    )
    write_table(tmp_path / "artifacts/evaluate/nearest.parquet", training, VECTORS)
    vector: Future[bytes] = Future()
    vector.set_result(angles[1])
    loaded: Any = SimpleNamespace(
        path=tmp_path,
        vector=lambda _: vector,
        model=SimpleNamespace(task="one_label", labels=["coat", "dress", "hat", "shoes"]),
    )
    models: Any = SimpleNamespace(current=loaded)
    endpoints = Endpoints(models, SimpleNamespace(), tmp_path, None, None, (), is_local=True)
    found = asyncio.run(endpoints.nearest(b""))
    assert [(each["id"], each["label"]) for each in found] == [
        (names[1], "hat"),
        (names[0], "coat"),
    ]
    assert found[0]["thumbnail"].startswith("data:image/jpeg;base64,")
    assert found[0]["similarity"] > found[1]["similarity"]
    assert asyncio.run(replace(endpoints, is_local=False).nearest(b"")) == []
    forwarded: Any = SimpleNamespace(headers=Headers({"X-Forwarded-For": "192.0.2.1"}))
    assert asyncio.run(nearest(forwarded, endpoints)).body == b'{"nearest":[]}'
    current = loaded.model
    # Evaluated before the task or the labels changed.
    for task, labels in (("labels", current.labels), ("one_label", ["coat", "hat"])):
        loaded.model = SimpleNamespace(task=task, labels=labels)
        assert asyncio.run(endpoints.nearest(b"")) == []
    loaded.model = current
    (tmp_path / NOVELTY_FILE).write_bytes(b"a later model")
    assert asyncio.run(endpoints.nearest(b"")) == []


def test_reads_a_correction_of_several_labels(labels_folder: Path) -> None:
    loaded = SimpleNamespace(model=find_model(str(labels_folder), None))
    models: Any = SimpleNamespace(current=loaded)
    endpoints = Endpoints(models, Any, None, None, None, (), is_local=True)  # type: ignore[arg-type]
    assert endpoints.read_correction(['{"dark": true, "kurtā; long": false}']) == {
        "label": None,
        "labels": {"dark": True, "kurtā; long": False},
    }
    for texts in ([], ["dark"], ['{"dark": 1}'], ['{"red": true}'], ["{}"], ['{"": true}']):
        with pytest.raises(ProblemError):
            endpoints.read_correction(texts)
