"""One small training."""

import pytest

from pixmill.train import train
from tests.train.conftest import CLASSES, PARAMS, write_packed


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = write_packed(tmp_path_factory.mktemp("split") / "split")
    return train(folder, PARAMS.model_copy(update={"epochs": 3}), classes=CLASSES)
