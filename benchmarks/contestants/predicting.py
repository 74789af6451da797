"""What every contestant is told that predicts images, and how its time is taken."""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Answers = Sequence[Sequence[float]]
"""The probability of each class for each image."""


def compete(predict: Callable[[Sequence[Path], Path], Answers]) -> None:
    """Predict a few images twice, then all, and print what the others took.

    So neither what is made once, such as TensorFlow's graph, nor the start of processes is counted.

    The answers for all are written as JSON.

    Args:
        predict: Predicts images with the model in a folder.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True, help="the images")
    parser.add_argument("--model", type=Path, required=True, help="the folder of a classifier's files")
    parser.add_argument("--few", type=int, required=True)
    parser.add_argument("--answers", type=Path, required=True, help="where to write them")
    parser.add_argument("--count", type=int, required=True, help="how many images, the first by name")
    told = parser.parse_args()
    paths = sorted(told.folder.glob("*.jpg"))[: told.count]
    predict(paths[: told.few], told.model)
    seconds, processor = [], []
    for some in (paths[: told.few], paths):
        began, used = time.perf_counter(), sum(os.times()[:4])
        answers = predict(some, told.model)
        seconds.append(time.perf_counter() - began)
        processor.append(sum(os.times()[:4]) - used)
    told.answers.write_text(json.dumps([list(map(float, answer)) for answer in answers]))
    print(json.dumps({"seconds": seconds[1] - seconds[0], "processor": processor[1] - processor[0]}))
