"""Servers with a tiny model, an HTTP client, and images."""

import base64
import hashlib
import http.client
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from pixmill.models.classifier import Classifier
from pixmill.serve.predict.model import find_model
from tests.serve.held_out import add_held_out
from tests.serve.http.load.server import Running

BOUNDARY = "6d0f2c"


def picture(seed: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    """Return an image file of coloured noise."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def multipart(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, dict[str, str]]:
    """Return a body of parts (name, file name, content), and its header."""
    body = b""
    for name, file, content in parts:
        shown = f'; filename="{file}"' if file is not None else ""
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode()
        )
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"
    }


class Response:
    """A response of the server."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.content = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    def is_problem(self, status: int) -> bool:
        """Return whether it is a problem with this status."""
        assert self.headers["Content-Type"] == "application/problem+json", self.content
        assert set(self.json) == {"type", "title", "status", "detail", "error"}
        assert self.json["detail"] == self.json["error"]
        return self.status == self.json["status"] == status


class Client:
    """An HTTP client with one connection per request."""

    def __init__(self, port: int, process: psutil.Process | None = None) -> None:
        self.port = port
        self.process = process

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            return Response(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Response:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: bytes, kind: str, **headers: str) -> Response:
        return self.ask("POST", path, body, {"Content-Type": kind, **headers})

    def post_json(self, path: str, document: Any, **headers: str) -> Response:
        return self.post(path, json.dumps(document).encode(), "application/json", **headers)

    def post_parts(self, path: str, *parts: tuple[str, str | None, bytes]) -> Response:
        return self.ask("POST", path, *multipart(*parts))


@pytest.fixture(scope="session")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback") / "inbox"


@pytest.fixture(scope="session")
def client(
    trained_folder: Path, inbox: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A server without keys, of a model with held-out predictions."""
    folder = tmp_path_factory.mktemp("served") / trained_folder.name
    model = add_held_out(find_model(str(trained_folder), None), folder)
    arguments = ["--model", str(model.path), "--workers", "1"]
    with Running(*arguments, "--inbox", str(inbox), "--url-rate", "4", cwd=inbox.parent) as running:
        yield Client(running.port, running.process)


@pytest.fixture(scope="session")
def locked(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with keys and without URLs and feedback."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "keys").write_text("first\n\nsecond key\n")
    options = ["--workers", "1", "--url-rate", "0", "--no-feedback", "--api-keys", "keys"]
    environ = {"PIXMILL_API_KEYS": "third, fourth"}
    with Running("--model", str(trained_folder), *options, cwd=folder, environ=environ) as running:
        yield Client(running.port, running.process)


@pytest.fixture(scope="session")
def expected(trained_folder: Path) -> dict[str, Any]:
    """The classifier's prediction of one image in the format of the API."""
    classifier = Classifier.load(trained_folder)
    prediction = classifier.predict([picture()])[0]
    return {
        "id": hashlib.sha256(picture()).hexdigest(),
        "name": None,
        "label": prediction.label,
        "confidence": prediction.confidence,
        "sure": prediction.sure,
        "unlike": prediction.unlike,
        "probabilities": dict(
            zip(classifier.labels, prediction.probabilities.tolist(), strict=True)
        ),
        "reason": None,
        "message": None,
    }
