"""One number of threads for all, since TensorFlow takes no other once it has computed."""

from __future__ import annotations

import pytest

from pixmill.models import fix_threads
from pixmill.params import TrainParams


@pytest.fixture(scope="session", autouse=True)
def threads() -> None:
    fix_threads(TrainParams().threads)
