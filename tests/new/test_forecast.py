"""The first run's forecast follows what the images themselves take."""

from pathlib import Path

import numpy as np
import pytest

from pixmill.core.params import Params, parse_params
from pixmill.images.png import write_png
from pixmill.new.forecast import forecast_seconds


def params(model: str = "features") -> Params:
    return parse_params(f"classes: [cat, dog]\nscrape: {{snapshot: '2026-11-20'}}\ntrain: {{model: {model}}}\n")


def images(folder: Path, side: int) -> list[Path]:
    """Return ten thousand files, of which there are twenty-five."""
    folder.mkdir()
    for number in range(25):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)
        write_png(folder / f"{number:02}.png", pixels)
    return [path for path in sorted(folder.iterdir()) for _ in range(400)]


def test_large_images_take_longer_than_small_ones(tmp_path: Path) -> None:
    small = forecast_seconds(images(tmp_path / "small", 40), params())
    assert 60 < small < 0.9 * forecast_seconds(images(tmp_path / "large", 1500), params())


@pytest.mark.parametrize("model", ["features", "cnn"])
def test_without_a_measurement_it_is_that_of_photographs(tmp_path: Path, model: str) -> None:
    files = images(tmp_path / "images", 40)
    if model == "features":
        for path in set(files):
            path.write_bytes(b"no image")
    assert forecast_seconds(files, params(model)) == 60 + 0.08 * 10_000
    assert forecast_seconds([], params(model)) == 60
