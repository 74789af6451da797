"""One of Pixmill's passes over images, as in its stage, on this machine or on the cluster of PIXMILL_COMPUTE."""

import argparse
import hashlib
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from pixmill.core.files.writing import file_digest
from pixmill.core.params import SplitParams, ValidateParams
from pixmill.images.compute import RowLimits
from pixmill.images.parts import images_path
from pixmill.split.packing import pack
from pixmill.validate.survey import survey

VALIDATE = ValidateParams()
SPLIT = SplitParams(image_size=64)
LIMITS = RowLimits(seconds=VALIDATE.timeout, memory=VALIDATE.memory << 20)


def validate(rows: pd.DataFrame, folder: Path, processes: int) -> str:
    found = survey(rows, folder, max_pixels=VALIDATE.max_pixels, limits=LIMITS, workers=processes)
    return hashlib.sha256("".join(found.table["pixels"]).encode()).hexdigest()


def split(rows: pd.DataFrame, folder: Path, processes: int) -> str:
    with tempfile.TemporaryDirectory(dir=folder.parent) as packed:
        pack(rows, folder, Path(packed), SPLIT, LIMITS, workers=processes)
        return file_digest(images_path(Path(packed), "train"))


def main() -> None:
    """Run the pass on a few images to connect, again to time its start, and then on all; print the difference."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pass", dest="chosen", choices=["validate", "split"], required=True)
    parser.add_argument(
        "--images", type=Path, required=True, help="table with id, path, width and height"
    )
    parser.add_argument("--few", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True)
    options = parser.parse_args()
    rows = pd.read_parquet(options.images).assign(split="train")
    rows["row"] = range(len(rows))
    run = {"validate": validate, "split": split}[options.chosen]
    sys.stderr = io.StringIO()  # no progress bar
    seconds = []
    memory = []
    driver = []
    for some in (rows[: options.few], rows[: options.few], rows):
        began = time.perf_counter()
        used = time.process_time()
        digest = run(some, options.images.parent, options.processes)
        seconds.append(time.perf_counter() - began)
        driver.append(time.process_time() - used)
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    # Without the time of the start; CPU time and memory are those of this process only.
    own = {"driver_seconds": driver[2] - driver[1], "driver_mb": memory[2] / 1024}
    print(json.dumps({"seconds": seconds[2] - seconds[1], "digest": digest} | own))


if __name__ == "__main__":  # spawned workers import this file
    main()
