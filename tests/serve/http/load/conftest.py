"""A server that is easily overloaded, and photographs for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.images.samples import encoded
from tests.serve.http.load.server import Running
from tests.web.fetch.inner import Trap

WORKERS, WAITING = 2, 32
"""The server's processes, and how many images may wait for one."""


@pytest.fixture(scope="session")
def seconds() -> float:
    """How long a load lasts: 3 s; ``PIXMILL_LOAD_SECONDS=60`` for the long one, with 20 times as many hostile files."""
    return float(os.environ.get("PIXMILL_LOAD_SECONDS", "3"))


@pytest.fixture(scope="session")
def photographs() -> list[bytes]:
    """Eight JPEG files of 640 x 480."""
    chance = np.random.default_rng(3)
    small = chance.integers(0, 256, (8, 48, 64, 3), dtype=np.uint8)
    return [encoded(Image.fromarray(image).resize((640, 480)), "JPEG", quality=90) for image in small]


@pytest.fixture(scope="session")
def heavy() -> bytes:
    """A PNG file that a worker decodes so slowly that requests wait, however fast or busy the machine."""
    return encoded(Image.new("RGB", (2500, 2500)), "PNG")


@pytest.fixture(scope="module")
def server(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with two workers."""
    arguments = ["--model", str(trained_folder), "--workers", str(WORKERS), "--poll", "0"]
    folder = tmp_path_factory.mktemp("server")
    with Running(*arguments, "--inbox", str(folder / "inbox"), cwd=folder) as running:
        yield running


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A port that nobody may reach through the service."""
    trap = Trap()
    yield trap
    trap.close()
