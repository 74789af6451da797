"""A common number of threads, which TensorFlow cannot change after its first computation."""

import pytest

from pixmill.core.params import TrainParams
from pixmill.models.determinism import fix_threads


@pytest.fixture(scope="session")
def threads() -> None:
    fix_threads(TrainParams().threads)
