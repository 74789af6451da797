"""``pixmill serve --log``: which answers of a real server are logged."""

import signal
from pathlib import Path

import pytest

from pixmill.dataset.prediction_log import find_images, read_log
from tests.serve.http.conftest import Client, b64, picture
from tests.serve.http.load.server import Running

pytestmark = pytest.mark.linux


def test_logs_each_prediction_once_until_the_end(labels_folder: Path, tmp_path: Path) -> None:
    options = ["--model", str(labels_folder), "--workers", "1", "--log", "log", "--log-images"]
    with Running(*options, "--inbox", "inbox", cwd=tmp_path) as server:
        client = Client(server.port)
        sent = [client.post_parts("/v1/predict", *(("file", "a", picture(i)) for i in range(2)))]
        sent.append(client.post("/v1/predict", b"no image", "application/octet-stream"))
        address = {"images": [{"url": "http://127.0.0.1/x.jpg"}]}
        sent.append(client.post_json("/v1/predict", address))
        sent.append(client.post_json("/invocations", {"inputs": [b64(picture(2))]}))
        right = ("labels", None, b'{"dark": true}')
        sent.append(client.post_parts("/v1/feedback", ("file", "a", picture(3)), right))
        server.process.send_signal(signal.SIGTERM)
        server.wait()
    assert [answer.status for answer in sent] == [200, 200, 200, 200, 201]
    ((about, table),) = read_log(tmp_path / "log")
    assert about["name"] == "labels"
    rows = table.to_pylist()
    told = [row for answer in sent[:3] for row in answer.json["predictions"]]
    assert [(row["id"], row["reason"]) for row in rows[:4]] == [
        (row["id"], row["reason"]) for row in told
    ]
    assert [row["reason"] for row in rows] == [None, None, "unknown", "private_address", None]
    assert set(find_images(tmp_path / "log")) == {rows[place]["id"] for place in (0, 1, 4)}
