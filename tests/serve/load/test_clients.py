"""Clients of other servers, unmodified, against this one: with a key and without; and MLflow's server beside it."""

import base64
import http.client
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pixmill.learn.classifier import Classifier, Prediction
from pixmill.record.model_format import save_classifier_model
from pixmill.record.store import quiet_mlflow
from tests.images.samples import encoded, shapes
from tests.serve.load.server import Running

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

IMAGES = [encoded(shapes(number, 64, 48), "jpeg") for number in range(3)]
LABELS = ["coat", "kurtā", "T-shirt & top"]
KEY = "s3cr3t key"


@pytest.fixture(scope="module", params=[None, KEY], ids=["without a key", "with a key"])
def key(request: pytest.FixtureRequest) -> str | None:
    given: str | None = request.param
    return given


@pytest.fixture(scope="module")
def server(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory, key: str | None) -> Iterator[Running]:
    environ = {"PIXMILL_API_KEYS": key or ""}
    with Running("--model", str(trained_folder), cwd=tmp_path_factory.mktemp("clients"), environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def expected(trained_folder: Path) -> list[Prediction]:
    return list(Classifier.load(trained_folder).predict([*IMAGES, b"no image"]))


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def bearer(key: str | None) -> dict[str, str]:
    """Return the headers of one request: a client may add to the dictionary."""
    return {"Authorization": f"Bearer {key}"} if key else {}


@pytest.mark.parametrize("binary", [True, False])
def test_triton(server: Running, key: str | None, expected: list[Prediction], binary: bool) -> None:
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

    client = InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("default", headers=bearer(key))
    described = client.get_model_metadata(server_name(server, key), headers=bearer(key))
    (asked,) = described["inputs"]
    images = [*IMAGES, b"no image"]
    tensor = InferInput(asked["name"], [len(images)], asked["datatype"])
    tensor.set_data_from_numpy(np.array(images if binary else list(map(b64, images)), object), binary_data=binary)
    answer = client.infer("default", [tensor], "1", headers=bearer(key), request_id="7")
    assert answer.get_response()["id"] == "7"
    assert [label.decode() for label in answer.as_numpy("label")] == [told.label or "" for told in expected]
    assert answer.as_numpy("confidence").tolist() == [told.confidence or 0 for told in expected]
    assert answer.as_numpy("sure").tolist() == [-1 if told.sure is None else told.sure for told in expected]
    np.testing.assert_array_equal(answer.as_numpy("probabilities")[:3], [told.probabilities for told in expected[:3]])
    assert answer.as_numpy("reason").tolist() == [b"", b"", b"", b"unknown"]
    some = [InferRequestedOutput("label", binary_data=False), InferRequestedOutput("confidence", binary_data=True)]
    answer = client.infer("default", [tensor], outputs=some, headers=bearer(key))
    assert answer.as_numpy("label").tolist() == [told.label or "" for told in expected]
    assert answer.as_numpy("confidence").tolist() == [told.confidence or 0 for told in expected]
    assert answer.get_output("probabilities") is None


def test_triton_reads_what_is_wrong(server: Running, key: str | None) -> None:
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
    from tritonclient.utils import InferenceServerException

    client = InferenceServerClient(f"127.0.0.1:{server.port}")
    tensor = InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([IMAGES[0]], object))
    wrong = {
        "There is no model 'other'": lambda: client.get_model_metadata("other", headers=bearer(key)),
        "outputs.0.name: ": lambda: client.infer(
            "default", [tensor], outputs=[InferRequestedOutput("other")], headers=bearer(key)
        ),
        "Send the body uncompressed.": lambda: client.infer(
            "default", [tensor], request_compression_algorithm="gzip", headers=bearer(key)
        ),
    }
    if key:
        wrong["Send an API key"] = lambda: client.infer("default", [tensor])
        assert not client.is_model_ready("default")
    for said, ask in wrong.items():
        with pytest.raises(InferenceServerException, match=said):
            ask()


def test_hugging_face(server: Running, key: str | None, expected: list[Prediction], tmp_path: Path) -> None:
    from huggingface_hub import InferenceClient
    from huggingface_hub.errors import HfHubHTTPError

    client = InferenceClient(f"http://127.0.0.1:{server.port}/v1/image-classification", token=key)
    (tmp_path / "image.jpg").write_bytes(IMAGES[1])
    for number, image in enumerate([IMAGES[0], tmp_path / "image.jpg", io.BytesIO(IMAGES[2])]):
        content = image if isinstance(image, bytes | Path) else image.getvalue()
        told = client.image_classification(content)
        probabilities = dict(zip(LABELS, expected[number].probabilities.tolist(), strict=True))
        assert {one.label: one.score for one in told} == probabilities
        assert told[0].label == expected[number].label
    (best,) = client.image_classification(IMAGES[0], top_k=1)
    assert (best.label, best.score) == (expected[0].label, expected[0].confidence)
    with pytest.raises(HfHubHTTPError, match="Not a known image format"):
        client.image_classification(b"no image")
    if key:
        with pytest.raises(HfHubHTTPError, match="Send an API key"):
            InferenceClient(f"http://127.0.0.1:{server.port}/v1/image-classification").image_classification(IMAGES[0])


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
def test_mlflow(server: Running, key: str | None, expected: list[Prediction]) -> None:
    """It knows no header for a key: the password in the address is one."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient(f"any:{key.replace(' ', '%20')}@127.0.0.1" if key else "127.0.0.1", server.port)
    client.wait_server_ready()
    client.get_version()
    images = list(map(b64, IMAGES))
    for data in (images, np.array(images), pd.DataFrame({"image": images})):
        for params in (None, {"top": 1}):
            table = client.invoke(data, params=params).get_predictions()
            assert table["label"].tolist() == [told.label for told in expected[:3]]
            assert table["confidence"].tolist() == [told.confidence for told in expected[:3]]
    with pytest.raises(Exception, match="expected an image in base64"):
        client.invoke([3])
    if key:
        with pytest.raises(Exception, match="Send an API key"):
            ScoringServerClient("127.0.0.1", server.port).invoke(images)


def test_tensorflow_serving(server: Running, key: str | None, expected: list[Prediction]) -> None:
    """By plain HTTP, as its documentation shows it."""
    status, told = server.ask("GET", "/v1/models/default", **bearer(key))
    assert (status, told["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    body = json.dumps({"signature_name": "serving_default", "instances": [{"b64": b64(image)} for image in IMAGES]})
    status, told = server.ask("POST", "/v1/models/default:predict", body.encode(), **bearer(key) | JSON)
    assert [row["label"] for row in told["predictions"]] == [told.label for told in expected[:3]]
    status, told = server.ask("POST", "/v1/models/default:predict", b'{"instances": [1]}', **bearer(key) | JSON)
    assert (status, told["error"].partition(":")[0]) == (422, "instances.0")
    if key:
        assert server.ask("POST", "/v1/models/default:predict", body.encode(), **JSON)[0] == 401


JSON = {"Content_Type": "application/json"}


def server_name(server: Running, key: str | None) -> str:
    name: str = server.ask("GET", "/v1/model", **bearer(key))[1]["name"]
    return name


def csv(*cells: str, head: str = "image") -> str:
    return "".join(f'"{cell}"\n' for cell in (head, *cells))


IMAGE, WRAPPED = b64(IMAGES[0]), base64.encodebytes(IMAGES[0]).decode()
ACCEPTED: list[tuple[str, Any]] = [
    ("application/json", {"inputs": [IMAGE, b64(b"no image")]}),
    ("application/json; charset=utf-8", {"inputs": [IMAGE], "params": {"a": 1}}),
    ("application/json", {"inputs": [IMAGE], "params": None}),
    ("application/json", {"inputs": [IMAGE], "more": 1}),
    ("application/json", {"inputs": [WRAPPED]}),
    ("application/json", {"inputs": ["photo.jpg", "a picture of it"]}),
    ("application/json", {"inputs": [""]}),
    ("application/json", {"inputs": []}),
    ("text/csv", csv(IMAGE, IMAGE)),
    ("text/csv", csv(IMAGE, head="anything")),
    ("text/csv", csv(WRAPPED)),
    ("text/csv", csv("a picture of it")),
    ("text/csv", csv()),
    ("text/csv", f"\nimage\n\n{IMAGE}\n  \n\n"),
    ("text/csv", f"image,label\n{IMAGE},coat\n"),
]
REFUSED: list[tuple[str, Any]] = [
    ("application/json", {"inputs": ["hello"]}),
    ("application/json", {"inputs": [1]}),
    ("application/json", {"inputs": IMAGE}),
    ("application/json", {}),
    ("application/json", []),
    ("application/json", "{"),
    ("text/csv", csv("hello")),
    ("text/csv", ""),
    ("application/json; charset=latin-1", {"inputs": [IMAGE]}),
    ("application/json; format=pandas-split", {"inputs": [IMAGE]}),
    ("text/plain", "x"),
]


@pytest.fixture(scope="module")
def mlflow_port(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """MLflow's own server of the model ``classifier``."""
    import subprocess
    import time

    from tests.ports import unused_port

    folder, port = tmp_path_factory.mktemp("mlflow"), unused_port()
    quiet_mlflow()
    save_classifier_model(trained_folder, folder / "classifier")
    command = ["models", "serve", "--model-uri", "classifier", "--env-manager", "local", "--host", "127.0.0.1"]
    with (folder / "log").open("w") as log:
        started = subprocess.Popen(
            [Path(sys.executable).with_name("mlflow"), *command, "--port", str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        latest = time.monotonic() + 180
        while True:
            assert started.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < latest
            try:
                if ask(port, "GET", "/ping")[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        import os
        import signal

        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def ask(port: int, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    answer = connection.getresponse()
    told = answer.status, answer.read().decode()
    connection.close()
    return told


def test_invocations_are_answered_as_by_mlflow(trained_folder: Path, tmp_path: Path, mlflow_port: int) -> None:
    with Running("--model", str(trained_folder), cwd=tmp_path) as server:
        for kind, document in ACCEPTED + REFUSED:
            body = (document if isinstance(document, str) else json.dumps(document)).encode()
            theirs = ask(mlflow_port, "POST", "/invocations", body, kind)
            ours = ask(server.port, "POST", "/invocations", body, kind)
            if (kind, document) in ACCEPTED:
                # MLflow writes NaN, which is not JSON.
                assert theirs[0] == ours[0] == 200, (theirs, ours)
                assert json.loads(theirs[1].replace("NaN", "null")) == json.loads(ours[1])
            else:
                assert theirs[0] >= 400
                assert ours[0] in (400, 415, 422)
                assert (theirs[0] == 415) == (ours[0] == 415), kind
        for path in ("/ping", "/health", "/version"):
            assert ask(mlflow_port, "GET", path)[0] == ask(server.port, "GET", path)[0] == 200
