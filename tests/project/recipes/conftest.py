"""One number of threads for all, since TensorFlow takes no other once it has computed."""

import pytest

from pixmill.core.params import TrainParams
from pixmill.models.determinism import fix_threads


@pytest.fixture(scope="session")
def threads() -> None:
    fix_threads(TrainParams().threads)
