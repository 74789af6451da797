"""What is sound in a file of corrections reaches the inbox, whatever else is in it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.errors import DataError
from pixmill.dataset.corrections_file import describe, take_in
from pixmill.dataset.inbox import Inbox, InboxFullError

JPEG = b"\xff\xd8\xff"
MODEL = {"name": "garments", "version": None, "digest": "ab" * 32}
PREDICTION = {
    "label": "coat",
    "confidence": 0.75,
    "sure": True,
    "unlike": None,
    "probabilities": {"coat": 0.75, "dress": 0.25},
}


def document(names: list[str], **changes: Any) -> str:
    items = [{"file": name, "label": "dress", "prediction": PREDICTION} for name in names]
    items[-1]["label"] = None
    return json.dumps({"format": 1, "model": MODEL, "corrections": items, **changes})


def write(path: Path, images: dict[str, bytes], text: str) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in {**images, "corrections.json": text}.items():
            packed.writestr(name, content, zipfile.ZIP_DEFLATED)
    return path


def alter(path: Path, name: str, at: int, new: bytes) -> None:
    """Write bytes into the directory's record of an entry."""
    content = bytearray(path.read_bytes())
    start = content.rindex(name.encode()) - 46 + at
    content[start : start + len(new)] = new
    path.write_bytes(content)


def test_what_is_left_out_prevents_nothing_else(tmp_path):
    images = {
        "first": JPEG + b"1",
        "page.jpg": b"<html><script>",
        "large": JPEG + bytes(20 << 20),
        "../escape": JPEG + b"2",
        "bomb": JPEG + bytes(5000),
        "encrypted": JPEG,
        "bzip2": JPEG,
        "last": b"\x89PNG\r\n\x1a\n",
    }
    expected = [
        ("first", ""),
        ("first", "missing_file"),  # An entry is read once.
        ("page.jpg", "html"),
        ("large", "too_many_bytes"),
        ("../escape", ""),
        ("bomb", "broken"),
        ("encrypted", "broken"),
        ("bzip2", "missing_file"),
        ("absent", "missing_file"),
        ("last", ""),
    ]
    names = [name for name, _ in expected]
    file = write(tmp_path / "corrections.zip", images, document(names))
    alter(file, "bomb", 24, (100).to_bytes(4, "little"))  # its size
    alter(file, "encrypted", 8, b"\x01\x00")
    alter(file, "bzip2", 10, b"\x0c\x00")
    packed = file.read_bytes()
    inbox = Inbox(tmp_path / "inbox")
    for _ in range(2):  # The second time adds nothing.
        outcomes = take_in(file, inbox)
        assert list(zip(names, outcomes, strict=True)) == expected
        assert describe(outcomes).startswith("3 corrections ")
        found = [(inbox.read_image(entry), *entry.corrections) for entry in inbox.entries()[0]]
        assert [(content, item.label, item.extension) for content, item in found] == [
            (images["last"], None, "png"),
            (images["../escape"], "dress", "jpg"),
            (images["first"], "dress", "jpg"),
        ]
        assert all((item.prediction, item.model) == (PREDICTION, MODEL) for _, item in found)
    assert file.read_bytes() == packed
    assert {path.name for path in tmp_path.iterdir()} == {"corrections.zip", "inbox"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 10_000,
        document(["1"], format=2),
        document(["1"], model={}),
        document(["1"]).replace("0.75", "NaN"),
        document(["1"]).replace("dress", "d" * 2000),
        pytest.param(" " * (20 << 20) + document(["1"]), id="large"),
    ],
)
def test_a_list_that_is_not_as_the_page_writes_it_is_refused(text, tmp_path):
    file = write(tmp_path / "corrections.zip", {"1": JPEG}, text)
    with pytest.raises(DataError, match=r"no corrections\.json"):
        take_in(file, Inbox(tmp_path / "inbox"))


def test_a_bomb_or_a_damaged_zip_is_refused(tmp_path):
    bomb = write(tmp_path / "bomb.zip", {"bomb": JPEG}, document(["bomb"]))
    cut = write(tmp_path / "cut.zip", {"1": JPEG}, document(["1"]))
    cut.write_bytes(cut.read_bytes()[:-30])
    alter(bomb, "bomb", 24, (1 << 30).to_bytes(4, "little"))  # its size
    for file, why in ((bomb, "1 GiB"), (cut, "as a zip")):
        with pytest.raises(DataError, match=why):
            take_in(file, Inbox(tmp_path / "inbox"))


def test_what_was_added_stays_if_the_inbox_is_full_and_the_rest_follows(tmp_path):
    images = {str(number): JPEG + bytes([number]) for number in range(4)}
    file = write(tmp_path / "corrections.zip", images, document([*images]))
    inbox = Inbox(tmp_path / "inbox")
    with pytest.raises(InboxFullError):
        take_in(file, Inbox(tmp_path / "inbox", max_entries=2))
    assert len(inbox.entries()[0]) == 2
    assert take_in(file, inbox) == [""] * 4
    assert len(inbox.entries()[0]) == 4
