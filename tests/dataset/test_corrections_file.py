"""What is sound in a file of corrections reaches the inbox, whatever else is in it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.errors import DataError
from pixmill.dataset.corrections_file import describe, has_corrections, take_in
from pixmill.dataset.inbox import Inbox, InboxFullError

JPEG = b"\xff\xd8\xff"
MODEL = {"name": "garments", "version": None, "digest": "ab" * 32}
PREDICTION = {
    "label": "coat",
    "confidence": 0.75,
    "sure": True,
    "unlike": None,
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
        ("first", "missing_file"),  # An entry is read once.
        ("first", ""),
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
        assert list(zip(names, outcomes[::-1], strict=True)) == expected
        assert "3 corrections " in describe(file, outcomes)
        found = [(inbox.read_image(entry), *entry.corrections) for entry in inbox.entries()[0]]
        assert [(content, item.label, item.extension) for content, item in found] == [
            (images["first"], "dress", "jpg"),
            (images["../escape"], "dress", "jpg"),
            (images["last"], None, "png"),
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
        document(["1"]).replace("coat", "c" * 2000),
        pytest.param(" " * (20 << 20) + document(["1"]), id="large"),
        pytest.param(document(["1"] * 10_001), id="many"),
    ],
)
def test_a_list_that_is_not_as_the_page_writes_it_is_refused(text, tmp_path):
    file = write(tmp_path / "corrections.zip", {"1": JPEG}, text)
    assert not has_corrections(file)
    with pytest.raises(DataError, match="not a zip of corrections"):
        take_in(file, Inbox(tmp_path / "inbox"))


def test_the_last_correction_of_an_image_wins(tmp_path):
    file = write(tmp_path / "corrections.zip", {"1": JPEG, "2": JPEG}, document(["1", "2"]))
    inbox = Inbox(tmp_path / "inbox")
    assert take_in(file, inbox) == [""]
    ((entry,), _) = inbox.entries()
    assert [item.label for item in entry.corrections] == [None]


def test_what_was_added_stays_if_the_inbox_is_full_and_the_rest_follows(tmp_path):
    images = {str(number): JPEG + bytes([number]) for number in range(4)}
    file = write(tmp_path / "corrections.zip", images, document([*images]))
    inbox = Inbox(tmp_path / "inbox")
    with pytest.raises(InboxFullError):
        take_in(file, Inbox(tmp_path / "inbox", max_entries=2))
    assert len(inbox.entries()[0]) == 2
    assert take_in(file, inbox) == [""] * 4
    assert len(inbox.entries()[0]) == 4


def test_corrections_of_several_labels_are_kept(tmp_path):
    item = {"file": "one", "label": None, "labels": {"long": True, "dark": False}}
    text = document(["one"], corrections=[{**item, "prediction": PREDICTION}])
    inbox = Inbox(tmp_path / "inbox")
    assert take_in(write(tmp_path / "corrections.zip", {"one": JPEG}, text), inbox) == [""]
    [entry] = inbox.entries()[0]
    assert entry.corrections[0].answer == '{"dark":false,"long":true}'
    inbox.withdraw(entry.id, None, {"dark": False, "long": True})
    assert inbox.entries()[0] == []
