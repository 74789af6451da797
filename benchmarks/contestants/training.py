"""The CNN that all contestants train, of the size of the recipe `scenes`, and the timing of its epochs."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pixmill.core.params import AugmentationParams, BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.models.networks import build_classifier

TRIAL = os.environ.get("QUICK") == "tiny"
SIDE, BATCH = (56, 8) if TRIAL else (150, 32)
LABELS = 6
PARAMETERS = 2_046_406
SCENES = TrainParams(
    model="cnn",
    cnn=CnnParams(
        blocks=tuple(
            BlockParams(filters=filters, padding="valid", batch_norm=True, dropout=0.2)
            for filters in (32, 64, 128, 256)
        ),
        dense=(DenseParams(units=128, dropout=0.2),) * 4,
    ),
    augmentation=AugmentationParams(flip=True, rotation=5.0, zoom=0.2, shift=0.05, shear=5.7),
    batch_size=BATCH,
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--folder",
        type=Path,
        required=True,
        help="folder of images by class, and of the same images packed",
    )
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--images", type=int, help="images per epoch")
    return parser.parse_args()


def scenes_cnn():
    """Return the network with fresh weights."""
    classifier = build_classifier(SCENES, labels=LABELS, image_size=SIDE)
    if not TRIAL and classifier.count_params() != PARAMETERS:
        raise SystemExit(
            f"expected {PARAMETERS:,} parameters, received {classifier.count_params():,}"
        )
    return classifier


def compete(epoch: Callable[[], tuple[int, float]]) -> None:
    """Train one epoch to warm up, except in a trial run, then one for each line of input, and print its figures.

    Args:
        epoch: Function that trains once on all images, and returns their number and mean loss.
    """
    if not TRIAL:
        epoch()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        used = time.process_time()
        count, loss = epoch()
        seconds = time.perf_counter() - start
        processor = time.process_time() - used
        figures = {"seconds": seconds, "processor": processor, "images": count, "loss": loss}
        print(json.dumps(figures), flush=True)
