"""Arguments and timing of the contestants that predict images."""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Answers = Sequence[Sequence[float]]
"""Probability of each class for each image."""


def compete(predict: Callable[[Sequence[Path], Path], Answers]) -> None:
    """Predict a few images twice, then all, print the difference of the last two, and write all predictions as JSON.

    The difference excludes one-time work, such as TensorFlow's graph, and the start of processes.

    Args:
        predict: Function of image paths and model folder that returns the predictions.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True, help="folder of images")
    parser.add_argument("--model", type=Path, required=True, help="folder of the classifier")
    parser.add_argument("--few", type=int, required=True)
    parser.add_argument(
        "--answers", type=Path, required=True, help="output file of the predictions"
    )
    parser.add_argument(
        "--count", type=int, required=True, help="number of images, the first by name"
    )
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.jpg"))[: options.count]
    predict(paths[: options.few], options.model)
    seconds = []
    processor = []
    for some in (paths[: options.few], paths):
        began = time.perf_counter()
        used = sum(os.times()[:4])
        answers = predict(some, options.model)
        seconds.append(time.perf_counter() - began)
        processor.append(sum(os.times()[:4]) - used)
    options.answers.write_text(json.dumps([list(map(float, answer)) for answer in answers]))
    print(
        json.dumps({"seconds": seconds[1] - seconds[0], "processor": processor[1] - processor[0]})
    )
