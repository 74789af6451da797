"""The OpenAPI document is what the server does: schemathesis sends whatever it allows, and some that it does not."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from tests.serve.load.server import Running

pytestmark = [pytest.mark.slow, pytest.mark.linux]


@pytest.fixture(scope="module")
def api(server: Running):
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_the_server_does_what_it_says(case) -> None:
    case.call_and_validate()
