"""Predict JPEG photographs: ``pixmill predict --jsonl`` against a loop of Keras' ``model.predict``, image by image.

The loop is typical of notebooks: Pillow, a resize, ``model.predict``. It is measured on some of the
images. For information, also ``model.predict`` on batches of 32 from tf.data, and the upper bound:
Pillow and LiteRT in as many processes, without limits, hashes or files. The model is the project's;
all contestants use the same files. Starting processes and imports is excluded: each contestant
predicts a few images first, and that time is subtracted.

    make bench-predict             QUICK=1 for a short one
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
from contest import PROJECT, Contestant, Record, folder_for_files, machine, run, sized
from images import make_images

from pixmill.images.compute import default_workers
from pixmill.models.classifier import Classifier

ROUNDS, IMAGES = sized((5, 10_000), (2, 600), (1, 6))
FEW = sized(32, 32, 2)
SIZE = (640, 480)
LOOP, BATCHES = sized((288, 2048), (96, 256), (4, 6))
"""Number of images for the two slow contestants."""
MODEL = PROJECT / "artifacts" / "train"
CLOSE = 1e-3
"""Maximum difference between probabilities by Keras and by LiteRT."""

OURS = Path(sys.executable)
CONTESTANTS = {
    "pixmill": (Contestant("pixmill predict --jsonl", "predict_pixmill.py", OURS), IMAGES),
    "limit": (Contestant("Pillow and LiteRT only (upper bound)", "predict_limit.py", OURS), IMAGES),
    "keras_predict_loop": (
        Contestant("model.predict, image by image", "predict_keras_loop.py", OURS),
        LOOP,
    ),
    "keras_predict_batches": (
        Contestant("model.predict, tf.data, batches of 32", "predict_keras_batches.py", OURS),
        BATCHES,
    ),
}


def main() -> None:
    """Print the table, and the ratios as the last line."""
    if not (MODEL / "labels.json").is_file():
        raise SystemExit(f"{MODEL} has no model; next: make repro")
    print(
        f"{IMAGES:,} images of {SIZE[0]} x {SIZE[1]}, {default_workers()} processes, {ROUNDS} "
        f"rounds; {machine()}\n"
    )
    records = {name: Record() for name in CONTESTANTS}
    with tempfile.TemporaryDirectory(dir=folder_for_files()) as name:
        images = Path(name) / "images"
        images.mkdir()
        make_images(images, IMAGES, SIZE, Path(pd.__file__).parent.parent)
        for _ in range(ROUNDS):
            for name_, (contestant, count) in CONTESTANTS.items():
                work = [
                    "--folder",
                    str(images),
                    "--model",
                    str(MODEL),
                    "--few",
                    str(FEW),
                    "--count",
                    str(count),
                ]
                work += ["--answers", str(images.parent / f"{name_}.json")]
                run(contestant, work, records[name_], seconds=3600)
        agreement = check({name_: read(images.parent / f"{name_}.json") for name_ in CONTESTANTS})
    print("| | images/s, median | spread | CPU, ms per image | memory, MB |\n|---|---|---|---|---|")
    for name_, (contestant, count) in CONTESTANTS.items():
        record = records[name_]
        timed = count - FEW
        used = (
            statistics.median(float(str(output["processor"])) for output in record.outputs)
            / timed
            * 1000
        )
        rate = f"{record.rate(timed):,.1f} | {record.spread(timed)}"
        print(f"| {contestant.name} | {rate} | {used:.1f} | {record.megabytes():,.0f} |")
    print(
        f"\nThe same class for all images, and for {100 * agreement:.1f} % with the resize of "
        "tf.data\n"
    )
    ratios = {f"vs_{name_}": ratio(records, name_) for name_ in CONTESTANTS if name_ != "pixmill"}
    first = "vs_keras_predict_loop"
    print(json.dumps({first: ratios.pop(first), **ratios}))


def read(path: Path) -> np.ndarray:
    """Return a contestant's answers."""
    return np.array(json.loads(path.read_text()))


def check(answers: dict[str, np.ndarray]) -> float:
    """Reject different predictions; return the share of images with the same class under tf.data's resize."""
    calibration = Classifier.load(MODEL).calibration
    for name, close in (("limit", 1e-5), ("keras_predict_loop", CLOSE)):
        others = calibration.apply(answers[name])
        ours = answers["pixmill"][: len(others)]
        apart = float(np.abs(ours - others).max())
        if apart > close or (ours.argmax(axis=1) != others.argmax(axis=1)).any():
            raise SystemExit(f"{CONTESTANTS[name][0].name} differs by up to {apart:.2g}")
    others = answers["keras_predict_batches"]
    return float((answers["pixmill"][: len(others)].argmax(axis=1) == others.argmax(axis=1)).mean())


def ratio(records: dict[str, Record], peer: str) -> float:
    """Return the median speed-up of Pixmill over the rounds, in each of which the load is the same."""
    each = {
        name: [taken / (CONTESTANTS[name][1] - FEW) for taken in records[name].seconds]
        for name in records
    }
    return round(
        statistics.median(a / b for a, b in zip(each[peer], each["pixmill"], strict=True)), 2
    )


if __name__ == "__main__":
    main()
