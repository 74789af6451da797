"""Disk usage counts each file once."""

import os
from pathlib import Path

from pixmill.project.disk.usage import describe_sizes, measure, size_of


def write(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, size)
    return path


def test_links_count_once(tmp_path: Path) -> None:
    cached = write(tmp_path / ".dvc" / "cache" / "a", 500)
    (tmp_path / "artifacts").mkdir()
    os.link(cached, tmp_path / "artifacts" / "a")
    write(tmp_path / "elsewhere" / "b", 70)
    (tmp_path / "mlruns").symlink_to(tmp_path / "elsewhere")
    sizes = measure(tmp_path)
    assert sizes["results"] + sizes["DVC's cache"] == 500
    assert sizes["MLflow"] < 500
    assert (sizes["data/"], size_of(tmp_path / "absent"), size_of(cached)) == (0, 0, 500)


def test_suggests_cleaning_of_large_scratch(tmp_path: Path) -> None:
    assert describe_sizes(measure(tmp_path)) == "Disk: 0.0 MB"
    cache = tmp_path / ".dvc" / "cache" / "a"
    image = tmp_path / "data" / "a.jpg"
    write(cache, 600_000_000)
    assert (
        describe_sizes(measure(tmp_path))
        == "Disk: 600.0 MB (DVC's cache 600.0 MB); to clean up: pixmill clean"
    )
    write(image, 300_000_000)
    assert (
        describe_sizes(measure(tmp_path)) == "Disk: 900.0 MB (data/ 300.0 MB, DVC's cache 600.0 MB)"
    )
