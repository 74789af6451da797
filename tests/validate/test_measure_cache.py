"""Measures are kept for the same decoders, code and limit of pixels, and for no others."""

from pathlib import Path

import pytest

from pixmill.validate import measure_cache as module
from pixmill.validate.measure_cache import open_cache


def test_measures_of_another_version_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "measures-0.sqlite-wal").touch()
    paths = []
    for max_pixels, pillow in ((1000, module.pillow), (1000, module.pillow), (1001, module.pillow), (1001, "99.0")):
        monkeypatch.setattr(module, "pillow", pillow)
        with open_cache(tmp_path, max_pixels) as cache:
            cache.write({b"id": b"measures"})
        paths.append(cache.path)
        assert list(tmp_path.iterdir()) == [cache.path]
    assert paths[0] == paths[1]
    assert len({*paths}) == 3
