"""Choose the salt of a split, and measure how far the worst label is from its share.

Images of 5, 20 and 100 labels whose prevalences fall from 50 % to 1 %, independent or correlated.
The deviation of a label is that of its number of images in test or val, in standard errors.
"Median salt": the median over other salts that nobody chose; "ratio": that by the deviation of the
chosen salt. With independent labels, the best of 256 salts is expected to reach a ratio of 2.3 for 5
labels, 1.6 for 20 and 1.3 for 100: the more labels, the less one number can do for all of them.
"Absent": labels of at least ten images without one in test.

    make bench-salts               QUICK=1 for a short one
"""

import hashlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
from contest import machine, sized

from pixmill.core.params import SplitParams
from pixmill.split.salts import choose_salt, deviations

SIZES = sized((1_000, 10_000, 100_000), (1_000, 10_000), (200,))
LABELS = (5, 20, 100)
PARAMS = SplitParams()


def made(images: int, labels: int, *, correlated: bool) -> npt.NDArray[np.int8]:
    """Return cells of labels with prevalences from 50 % to 1 %."""
    draws = np.random.default_rng(labels)
    shares = np.geomspace(0.5, 0.01, labels)
    own = draws.random((images, labels))
    # Half of the images repeat the draw of their first label in all labels.
    shared = draws.random((images, 1)) < (0.5 if correlated else 0.0)
    return (np.where(shared, own[:, :1], own) < shares).astype(np.int8)


def main() -> None:
    """Print the table, and the ratios of the largest size as the last line."""
    print(f"{machine()}\n", flush=True)
    print(
        "| images | labels | | chosen salt | median salt | ratio | absent | CPU seconds |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    ratios = {}
    unchosen = [f"unchosen {number}" for number in range(sized(32, 16, 4))]
    for images in SIZES:
        names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(images)]
        for labels in LABELS:
            for correlated in (False, True):
                cells = made(images, labels, correlated=correlated)
                began = time.process_time()
                salt = choose_salt(cells, names, PARAMS)
                seconds = time.process_time() - began
                inside, found = deviations(cells, names, PARAMS, [salt])
                others = deviations(cells, names, PARAMS, unchosen)[1].max(axis=(1, 2))
                absent = int(((inside[0, 0] == 0) & (cells.sum(axis=0) >= 10)).sum())
                ratio = float(np.median(others)) / float(found.max())
                kind = "correlated" if correlated else "independent"
                print(
                    f"| {images:,} | {labels} | {kind} | {found.max():.2f} | "
                    f"{float(np.median(others)):.2f} | {ratio:.2f} | {absent} | {seconds:.1f} |",
                    flush=True,
                )
                ratios[f"{labels}_{kind}"] = round(ratio, 3)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
