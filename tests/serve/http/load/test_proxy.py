"""Rate limits per client behind a proxy; without a proxy, X-Forwarded-For is ignored."""

import json
from pathlib import Path

import pytest

from tests.serve.http.load.server import Running

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]


def statuses(server: Running, *clients: str) -> list[int]:
    """Return the status of one URL request per client, in order."""
    body = json.dumps({"images": [{"url": "http://127.0.0.1/"}]}).encode()
    headers = [
        {"Content_Type": "application/json", "X_Forwarded_For": client} for client in clients
    ]
    return [server.ask("POST", "/v1/predict", body, **each)[0] for each in headers]


def test_a_proxy_names_the_client(trained_folder: Path, tmp_path: Path) -> None:
    options = ["--model", str(trained_folder), "--workers", "1", "--url-rate", "1"]
    with Running(*options, "--proxy", "127.0.0.0/8", cwd=tmp_path) as server:
        assert statuses(server, "198.51.100.1", "198.51.100.2", "198.51.100.1") == [200, 200, 429]
        # Addresses that the client sends are further left, and are ignored.
        assert statuses(server, "203.0.113.9, 198.51.100.2") == [429]
    with Running(*options, cwd=tmp_path) as server:
        assert statuses(server, "198.51.100.1", "198.51.100.2") == [200, 429]
