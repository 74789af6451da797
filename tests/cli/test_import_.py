"""What `pixmill import` says about the images that it took."""

from pathlib import Path

from pixmill.cli.import_ import _small_classes
from pixmill.core.metadata import Facts
from pixmill.core.params import parse_params
from pixmill.dataset.detected import Detected, Item


def test_a_new_class_with_too_few_images_is_named(tmp_path: Path) -> None:
    params = parse_params("{classes: [cat, dog], scrape: {source: folder, snapshot: '2026-11-20'}}")
    labels = ["bag"] * 29 + ["cat", "dress", None] + ["dress"] * 29
    items = [Item(str(tmp_path / str(at)), "", Facts(label)) for at, label in enumerate(labels)]
    (line,) = _small_classes(params, Detected(items, ""))
    assert line.startswith("bag has 29 of the 30 images")
