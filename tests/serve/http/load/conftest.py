"""A small server, and photographs."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.serve.predict.model import find_model
from tests.fetch.inner import Trap
from tests.images.samples import encoded
from tests.serve.held_out import add_held_out
from tests.serve.http.load.server import Running

WORKERS = 2
WAITING = 32
"""Worker processes, and images that may wait for one."""


@pytest.fixture(scope="session")
def seconds() -> float:
    """Duration of a load, 3 s by default.

    ``PIXMILL_LOAD_SECONDS=60`` also sends 20 times as many hostile files.
    """
    return float(os.environ.get("PIXMILL_LOAD_SECONDS", "3"))


@pytest.fixture(scope="session")
def photographs() -> list[bytes]:
    """Eight JPEG files of 640 x 480."""
    chance = np.random.default_rng(3)
    small = chance.integers(0, 256, (8, 48, 64, 3), dtype=np.uint8)
    return [
        encoded(Image.fromarray(image).resize((640, 480)), "JPEG", quality=90) for image in small
    ]


@pytest.fixture(scope="session")
def heavy() -> bytes:
    """A PNG file that takes long to decode, so that requests wait on any machine."""
    return encoded(Image.new("RGB", (2500, 2500)), "PNG")


@pytest.fixture(scope="module")
def server(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with two workers, of a model with held-out predictions."""
    folder = tmp_path_factory.mktemp("server")
    model = add_held_out(find_model(str(trained_folder), None), folder / trained_folder.name)
    arguments = ["--model", str(model.path), "--workers", str(WORKERS), "--poll", "0"]
    with Running(*arguments, "--inbox", str(folder / "inbox"), cwd=folder) as running:
        yield running


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A port that must not be reachable through the service."""
    trap = Trap()
    yield trap
    trap.close()
