"""Make images of one size from the photographs included in scikit-learn and scikit-image.

Each shows a random part of a photograph at a random scale, half of them mirrored: JPEG of quality
90, with the same bytes in every run.
"""

import random
from pathlib import Path

from PIL import Image

PHOTOGRAPHS = (
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
    "skimage/data/hubble_deep_field.jpg",
    "skimage/data/motorcycle_left.png",
    "skimage/data/motorcycle_right.png",
    "skimage/data/retina.jpg",
    "skimage/data/rocket.jpg",
)


def make_images(folder: Path, count: int, size: tuple[int, int], packages: Path) -> None:
    """Write the images.

    Args:
        folder: Target folder.
        count: Number of images.
        size: Width and height of each image.
        packages: ``site-packages`` folder with scikit-learn and, if installed, scikit-image.
    """
    photographs = [
        Image.open(packages / name).convert("RGB")
        for name in PHOTOGRAPHS
        if (packages / name).is_file()
    ]
    chance = random.Random(0)
    ratio = size[0] / size[1]
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        width = min(photograph.width, photograph.height * ratio) * chance.uniform(0.5, 1)
        height = width / ratio
        left = chance.uniform(0, photograph.width - width)
        top = chance.uniform(0, photograph.height - height)
        part = (left, top, left + width, top + height)
        image = photograph.resize(size, Image.Resampling.BICUBIC, box=part)
        if chance.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image.save(folder / f"{number:05}.jpg", quality=90)
