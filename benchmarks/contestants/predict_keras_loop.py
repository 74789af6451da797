"""A notebook's loop: each image opened with Pillow, resized, and passed to ``model.predict`` singly."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from predicting import Answers, compete

from pixmill.images.fit import fit
from pixmill.models.model_folder import load_classifier, read_description

models = {}


def predict(paths: Sequence[Path], model: Path) -> Answers:
    if not models:
        models["keras"] = load_classifier(model)[0]
    network = models["keras"]
    description = read_description(model)
    answers = []
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        square = fit(
            pixels, description["image_size"], description["aspect"], description["resize"]
        )
        answers.append(network.predict(square[None].astype(np.float32), verbose=0)[0])
    return answers


if __name__ == "__main__":
    compete(predict)
