"""The OpenAPI document is what the server does: schemathesis sends what it allows, and much that it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.load.server import Running

ACCEPTED = """
[[operations]]
include-path = ["/v1/explain", "/v1/feedback", "/v1/fetch", "/v1/image-classification"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 422]

[[operations]]
include-path = ["/invocations", "/v1/models/{name}:predict", "/v2/models/{name}/infer"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 422]
"""
"""What no schema can say: these answer 422 where bytes are no image, a URL leads to none, or a text is not base64."""

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]


@pytest.mark.parametrize("keys", [(), ("secret",)], ids=["open", "with a key"])
def test_the_server_does_what_it_says(trained_folder: Path, tmp_path: Path, keys: tuple[str, ...], seconds: float):
    """All checks, in all phases but ``stateful``: no operation links to another."""
    (tmp_path / "schemathesis.toml").write_text(ACCEPTED)
    options = ["--workers", "2", "--url-rate", "1000", "--inbox", str(tmp_path / "inbox")]
    environ = {"PIXMILL_API_KEYS": ",".join(keys)}
    authorisation = [f"--header=Authorization:Bearer {key}" for key in keys]
    with Running("--model", str(trained_folder), *options, cwd=tmp_path, environ=environ) as server:
        command = [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            f"http://127.0.0.1:{server.port}/openapi.json",
        ]
        bounds = ["--phases=examples,coverage,fuzzing", f"--max-examples={int(5 * seconds)}", "--seed=1"]
        # The first heatmap waits for TensorFlow, long on a busy machine.
        bounds += ["--request-timeout=60", "--max-response-time=60"]
        done = subprocess.run(
            [*command, "--checks=all", *bounds, "--suppress-health-check=all", *authorisation],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in server.log.read_text()
