"""Test images as examples, and corrections of them."""

from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.serve.inbox import Inbox
from tests.images.packed import pack_images
from tests.serve.http.conftest import Client, picture
from tests.serve.http.load.server import Running


def test_a_correction_of_an_example_names_its_original(trained_folder: Path, tmp_path: Path) -> None:
    names = [f"{number:064x}" for number in range(3)]
    split = tmp_path / "artifacts/split"
    pack_images(split, "test", np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), np.uint8))
    rows = pd.DataFrame({"id": names, "label": ["coat", "coat", "hat"], "split": "test", "row": [2, 0, 1]})
    rows.to_parquet(split / "manifest.parquet")
    (tmp_path / "dvc.yaml").write_text("")
    with Running("--model", str(trained_folder), "--workers", "1", cwd=tmp_path) as running:
        client = Client(running.port, running.process)
        shown = client.get("/v1/examples").json["examples"]
        assert [(one["id"], one["label"]) for one in shown] == [(names[0], "coat"), (names[1], "coat")]
        jpeg = client.get(shown[1]["url"]).content
        for content in (jpeg, picture()):
            parts = ("file", "x", content), ("label", None, b"coat")
            assert client.post_parts("/v1/feedback", *parts).status == 201
    inbox = Inbox(tmp_path / "inbox")
    assert {inbox.read_image(entry): entry.corrections[0].original for entry in inbox.entries()[0]} == {
        jpeg: names[1],
        picture(): None,
    }
