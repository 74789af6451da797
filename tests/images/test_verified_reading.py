"""Reading of regular files, and verification against an id."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest

from pixmill.images.verified_reading import UndecodableError, read_image, read_verified


def refusal(path: Path | bytes, **options: int) -> str:
    with pytest.raises(UndecodableError) as caught:
        read_image(path, **options)
    return caught.value.reason


def test_files_and_links_are_read(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to("image")
    assert read_image(tmp_path / "image") == read_image(tmp_path / "link") == b"bytes"
    (tmp_path / "empty").touch()
    assert read_image(tmp_path / "empty") == b""


@pytest.mark.timeout(10)
def test_pipes_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg") == refusal(tmp_path / "link.jpg") == "not_a_file"


def test_folders_and_devices_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == refusal(Path("/dev/zero")) == "not_a_file"


def test_missing_file_raises_os_error(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for name in ("nothing", "circle"):
        with pytest.raises(OSError, match=name):
            read_image(tmp_path / name)


def test_large_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"12345")
    assert read_image(tmp_path / "image", max_bytes=5) == b"12345"
    assert (
        refusal(tmp_path / "image", max_bytes=4)
        == refusal(b"12345", max_bytes=4)
        == "too_many_bytes"
    )
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(tmp_path / "sparse") == "too_many_bytes"


def test_content_is_verified_against_the_id(tmp_path: Path) -> None:
    name = hashlib.sha256(b"bytes").hexdigest()
    (tmp_path / "image").write_bytes(b"bytes")
    (tmp_path / "other").write_bytes(b"others")
    assert read_verified(tmp_path / "image", name) == read_verified(b"bytes", name) == b"bytes"
    for place, reason in (
        ("other", "changed_bytes"),
        ("nothing", "missing_file"),
        (".", "not_a_file"),
    ):
        with pytest.raises(UndecodableError) as caught:
            read_verified(tmp_path / place, name)
        assert caught.value.reason == reason


def test_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UndecodableError("broken", "no end")))
    assert (error.reason, error.detail, str(error)) == ("broken", "no end", "broken: no end")
    assert str(UndecodableError("empty")) == "empty"
