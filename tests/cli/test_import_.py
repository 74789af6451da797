"""What `pixmill import` says about the images that it took."""

from pathlib import Path

import pytest

from pixmill.cli.import_ import _small_classes
from pixmill.core.metadata import Facts
from pixmill.core.params import parse_params
from pixmill.dataset.detected import Detected, Item
from tests.command import run_pixmill
from tests.dataset.test_corrections_file import JPEG, document, write


def test_a_new_class_with_too_few_images_is_named(tmp_path: Path) -> None:
    params = parse_params("{classes: [cat, dog], scrape: {source: folder, snapshot: '2026-11-20'}}")
    labels = ["bag"] * 29 + ["cat", "dress", None] + ["dress"] * 29
    items = [Item(str(tmp_path / str(at)), "", Facts(label)) for at, label in enumerate(labels)]
    (line,) = _small_classes(params, Detected(items, ""))
    assert line.startswith("bag has 29 of the 30 images")


def test_corrections_go_into_the_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(
        "{classes: [cat, dog], scrape: {source: folder, snapshot: '2026-11-20'}}"
    )
    file = write(tmp_path / "corrections (1).zip", {"1.jpg": JPEG}, document(["1.jpg"]))
    for option, number in (["--dry-run"], 0), ([], 1):
        assert run_pixmill("import", str(file), *option) == 0
        assert len([*Path("inbox/corrections").glob("*")]) == number
    assert not Path("data").exists()
    # Others are archives of images.
    write(file, {"cat/1.jpg": JPEG}, document(["1.jpg"], format=None))
    assert run_pixmill("import", str(file), "--label", "cat", "--dry-run") == 0
    file.write_bytes(file.read_bytes()[:-30])
    assert run_pixmill("import", str(file)) == 1
    assert "cannot be unpacked" in capsys.readouterr().err
