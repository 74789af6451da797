"""The Dockerfile's entrypoint starts the service as each platform asks for it, with that platform's arguments alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.images.samples import encoded, shapes
from tests.serve.conftest import b64

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE = encoded(shapes(), "JPEG")

CONTAINER = """
mount -t tmpfs none /opt && mkdir -p /opt/ml/model && cp "$1" /opt/ml/model && shift && ip link set lo up && exec "$@"
"""
"""A network and an ``/opt`` of its own, with the model where SageMaker puts it."""

PLATFORM = """
import json, subprocess, sys, time, urllib.error, urllib.request
command, asked, healthy = json.loads(sys.argv[1])
started, told = subprocess.Popen(command), []
try:
    for port, path, kind, body in asked:
        url, content = f"http://127.0.0.1:{port}{path}", body and body.encode()
        request = urllib.request.Request(url, content, {"Content-Type": kind})
        for _ in range(600):
            try:
                told.append(json.loads(urllib.request.urlopen(request).read().strip() or "null"))
                break
            except urllib.error.HTTPError as error:
                told.append(error.code)
                break
            except OSError:
                assert started.poll() is None
                time.sleep(0.1)
    subprocess.run(["sh", "-c", healthy], check=True)
finally:
    started.terminate()
    started.wait()
print(json.dumps(told))
"""
"""Start a container, send requests to it once it answers, check its health, and print the answers."""

Ask = Callable[..., list[Any]]


@pytest.fixture
def container(exported: Path, tmp_path: Path) -> Ask:
    """A function that starts the image with arguments and variables, and returns what it answers to requests."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    (name,) = json.loads(re.search(r"^ENTRYPOINT (.*)$", dockerfile, re.MULTILINE)[1])
    assert not re.search(r"^CMD", dockerfile, re.MULTILINE)
    healthy = re.search(r"^HEALTHCHECK .* CMD((?:.*\\\n)+.*)$", dockerfile, re.MULTILINE)[1]
    source = re.search(rf"^COPY deploy/(\S+) \S*/{name}$", dockerfile, re.MULTILINE)[1]
    program = shutil.copy(DEPLOY / source, tmp_path / name)

    def ask(
        arguments: list[str], requests: list[tuple[int, str, str, str | None]], environ: Mapping[str, str]
    ) -> list[Any]:
        unshared = ["unshare", "-rmn", "sh", "-ec", CONTAINER, "sh", str(exported)]
        script = [sys.executable, "-c", PLATFORM, json.dumps([[str(program), *arguments], requests, healthy])]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            [*unshared, *script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, **environ},
            stdout=subprocess.PIPE,
            check=True,
            timeout=300,
        )
        answers: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return answers

    return ask


def predicted(answer: Any) -> Any:
    (row,) = answer["predictions"]
    return row["label"]


INSTANCES = json.dumps({"instances": [{"b64": b64(IMAGE)}]})
JSON = "application/json"
LABELS = ["coat", "kurtā", "T-shirt & top"]


def test_sagemaker(container: Ask) -> None:
    """``docker run IMAGE serve``, and nothing else."""
    asked = [(8080, "/ping", "", None), (8080, "/invocations", JSON, INSTANCES), (8080, "/v1/model", "", None)]
    ping, scores, about = container(["serve"], asked, {})
    assert ping is None
    assert predicted(scores) in LABELS
    assert not about["feedback"]


def test_vertex(container: Ask, exported: Path) -> None:
    environ = {
        "AIP_HTTP_PORT": "9123",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
        "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
    }
    body = json.dumps({**json.loads(INSTANCES), "parameters": {"threshold": 0.5}})
    asked = [(9123, environ["AIP_HEALTH_ROUTE"], "", None), (9123, environ["AIP_PREDICT_ROUTE"], JSON, body)]
    state, scores = container(["--model", str(exported)], asked, environ)
    assert state["ready"] is True
    assert predicted(scores) in LABELS
    with_keys = container(["--model", str(exported)], asked, {**environ, "PIXMILL_API_KEYS": "secret"})
    assert (with_keys[0]["ready"], with_keys[1]) == (True, 401)


def test_routes_of_vertex_on_paths_that_are_taken_open_nothing(container: Ask, exported: Path) -> None:
    environ = {"AIP_HTTP_PORT": "9123", "AIP_PREDICT_ROUTE": "/v1/predict", "AIP_HEALTH_ROUTE": "/v1/predict"}
    asked = [(9123, "/v1/predict", "", None), (9123, "/v1/predict", JSON, INSTANCES)]
    state, scores = container(["--model", str(exported)], asked, environ)
    assert (state["ready"], predicted(scores) in LABELS) == (True, True)
    for path in ("/v1/predict", "/", "/static/page.js"):
        asked = [(9123, path, "", None), (9123, path, JSON, INSTANCES)]
        environ |= {"AIP_PREDICT_ROUTE": path, "AIP_HEALTH_ROUTE": path, "PIXMILL_API_KEYS": "secret"}
        state, refused = container(["--model", str(exported)], asked, environ)
        assert (state["ready"], refused) == (True, 401)


def test_cloud_run(container: Ask, exported: Path) -> None:
    asked = [(8765, "/readyz", "", None), (8765, "/v1/models/default:predict", JSON, INSTANCES)]
    state, scores = container(["--model", str(exported)], asked, {"PORT": "8765"})
    assert state["ready"] is True
    assert predicted(scores) in LABELS


@pytest.mark.parametrize("environ", [{}, {"PORT": "8000"}], ids=["elsewhere", "on a platform"])
def test_an_inbox_that_is_named_takes_feedback(
    container: Ask, exported: Path, tmp_path: Path, environ: Mapping[str, str]
) -> None:
    arguments = ["--model", str(exported), f"--inbox={tmp_path / 'inbox'}"]
    (about,) = container(arguments, [(8000, "/v1/model", "", None)], environ)
    assert about["feedback"]


@pytest.mark.parametrize("route", ["predict", "/{name}"])
def test_a_route_that_is_none_is_refused(route: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from tests.command import run_pixmill

    monkeypatch.setenv("AIP_PREDICT_ROUTE", route)
    assert run_pixmill("serve", "--model", "absent.tflite", "--no-feedback") == 1
    assert "AIP_PREDICT_ROUTE: expected a path that begins with /" in capsys.readouterr().err
