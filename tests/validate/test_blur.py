"""Blur relative to the dataset."""

import numpy as np
from PIL import Image, ImageFilter

from pixmill.core.params import ValidateParams
from pixmill.validate.statistics import distributions
from pixmill.validate.validation import Validation
from tests.images.samples import encoded
from tests.validate.conftest import Scrape


def photograph(seed: int, *, blur: float = 0) -> bytes:
    """Return a grey image as sharp as a photograph, or blurred by a radius in pixels."""
    draw = np.random.default_rng(seed)
    once = Image.fromarray(draw.integers(0, 256, (40, 40), dtype=np.uint8)).resize(
        (160, 160), Image.Resampling.BICUBIC
    )
    return encoded(once.filter(ImageFilter.GaussianBlur(blur * draw.uniform(0.8, 1.25))), "PNG")


def gate(validation: Validation) -> bool:
    (outcome,) = [outcome for outcome in validation.outcomes if outcome.check.name == "blurred"]
    return outcome.success


def test_soft_dataset_is_not_blurred(scrape: Scrape) -> None:
    for seed in range(40):
        scrape.add("coat" if seed % 2 else "shoe", photograph(seed, blur=4))
    found = scrape.validate(gate=["blurred"])
    assert (found.manifest["sharpness"] < ValidateParams().blurred.min_sharpness).mean() > 0.2
    assert gate(found)
    sharpness = next(
        item for item in distributions(found.manifest, ValidateParams()) if item.name == "sharpness"
    )
    assert (found.manifest["sharpness"] >= sharpness.limits[0]).all()


def test_finds_blurred_images_among_sharp_ones(scrape: Scrape) -> None:
    for seed in range(40):
        scrape.add("coat" if seed % 2 else "shoe", photograph(seed))
    for seed in range(3):
        scrape.add("coat", photograph(seed, blur=4))
    found = scrape.validate(gate=["blurred"])
    assert not gate(found)
    (outcome,) = [outcome for outcome in found.outcomes if outcome.check.name == "blurred"]
    assert "failing: 3 of 23 in class 'coat'" in outcome.found[0]
