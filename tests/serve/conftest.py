"""A tiny model, and a folder of images and other files."""

import shutil
from pathlib import Path

import pytest

from pixmill.serve.predict.model import Model, find_model
from tests.images.samples import encoded, shapes


@pytest.fixture(scope="session")
def model(trained_folder: Path) -> Model:
    """The tiny classifier: coat, kurtā, T-shirt & top."""
    return find_model(str(trained_folder), None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images, one of them twice, in two folders, and three files that are not images."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "photos" / "new").mkdir(parents=True)
    for number in range(12):
        kind = ("jpeg", "png", "webp")[number % 3]
        place = folder / "photos" / ("new" if number % 4 == 3 else "")
        (place / f"{number:02}.{kind}").write_bytes(
            encoded(shapes(number, 30 + 5 * number, 40), kind)
        )
    shutil.copy(folder / "photos" / "00.jpeg", folder / "photos" / "new" / "again.jpg")
    (folder / "photos" / "cut.jpg").write_bytes((folder / "photos" / "00.jpeg").read_bytes()[:300])
    (folder / "photos" / "notes.txt").write_text("no image")
    (folder / "photos" / "empty.png").touch()
    return folder


@pytest.fixture
def photos(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in the current folder, ``photos``, that a test may change."""
    shutil.copytree(shared / "photos", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


@pytest.fixture
def exiftool() -> str:
    """Path of exiftool; tests that use it are deselected where it is not installed."""
    return shutil.which("exiftool") or ""
