"""Thousands of malicious files are decoded or dropped in bounded time and memory."""

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from pixmill.images.compute import RowLimits
from pixmill.validate.survey import survey
from tests.validate.conftest import image
from tests.validate.hostile import PIXELS, Hostile, hostile_files

MAX_PIXELS = 50_000_000
LIMITS = RowLimits(seconds=60, memory=200 << 20)


def outcomes(paths: Sequence[Path], ids: Sequence[str]) -> list[str]:
    """Measure images in worker processes with limits, and return the outcome of each."""
    rows = pd.DataFrame({"id": ids, "path": list(map(str, paths))})
    found = survey(rows, Path(), max_pixels=MAX_PIXELS, limits=LIMITS, workers=2).table
    assert (found["failure"].isna() == found["pixels"].notna()).all()
    return [str(word) for word in found["failure"].fillna(PIXELS)]


def written(folder: Path, files: Sequence[Hostile]) -> list[Path]:
    paths = [folder / f"{number}.jpg" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file.content)
    return paths


@pytest.mark.slow
def test_each_file_has_pixels_or_a_reason(tmp_path: Path) -> None:
    files = hostile_files()
    assert len(files) >= 3000
    found = outcomes(
        written(tmp_path, files), [hashlib.sha256(file.content).hexdigest() for file in files]
    )
    wrong = {
        file.name: word
        for file, word in zip(files, found, strict=True)
        if word not in file.outcomes
    }
    # No file exceeds the limits, because expensive ones are rejected early.
    assert wrong == {}
    counts = Counter(found)
    assert min(counts[word] for word in (PIXELS, "truncated", "broken", "too_many_pixels")) >= 5


def test_special_files_do_not_block(tmp_path: Path) -> None:
    content = image(0)
    (tmp_path / "whole.png").write_bytes(content)
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "to-pipe.jpg").symlink_to(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as plug:
        # Bind by a relative name, because the path of a socket has at most about 100 bytes.
        before = Path.cwd()
        os.chdir(tmp_path)
        try:
            plug.bind("plug.jpg")
        finally:
            os.chdir(before)
        names = sorted(path.name for path in tmp_path.iterdir())
        found = outcomes(
            [tmp_path / name for name in names], [hashlib.sha256(content).hexdigest()] * len(names)
        )
    assert dict(zip(names, found, strict=True)) == {
        "circle.jpg": "missing_file",
        "device.jpg": "not_a_file",
        "folder.jpg": "not_a_file",
        "nowhere.jpg": "missing_file",
        "pipe.jpg": "not_a_file",
        "plug.jpg": "not_a_file",
        "to-pipe.jpg": "not_a_file",
        "whole.png": PIXELS,
    }
