"""The tiny model as a page."""

from pathlib import Path

import pytest

from pixmill.serve.export.html.page import build_page
from pixmill.serve.predict.model import Model


@pytest.fixture(scope="session")
def model_page(
    model: Model,
    tmp_path_factory: pytest.TempPathFactory,
    litert_js: None,
) -> Path:
    """The tiny classifier as one HTML file."""
    path = tmp_path_factory.mktemp("page") / "model.html"
    path.write_bytes(build_page(model))
    return path


@pytest.fixture
def firefox() -> None:
    """Firefox is installed: tests that need it are deselected elsewhere."""
