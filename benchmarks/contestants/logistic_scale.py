"""The logistic head on synthetic features in a file; up to 100,000 images also scikit-learn's fit in memory.

The features resemble pooled ones: non-negative, about half of them zero, correlated. The memory is
the increase of the process's anonymous pages (`RssAnon`, sampled) over the value before the fit:
pages of the mapped file, which the system may reclaim at any time, do not count.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import threading
import time
from pathlib import Path

from pixmill.core.params import TrainParams  # before NumPy, whose arithmetic it fixes

# isort: split
import numpy as np

from pixmill.train.logistic import fit_logistic

WIDTH = 1280
LATENT = 64
PIECE = 10_000
HELD_OUT = 200 if os.environ.get("QUICK") == "tiny" else 20_000
EXACT = 100_000
SEPARATION = 0.36
"""Standard deviation of the class centres: with six classes, the best possible accuracy is about 90 %."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, 5 KB per image")
    parser.add_argument("--classes", type=int, default=6)
    options = parser.parse_args()
    # In a separate process, to keep the heap of this one small.
    writer = multiprocessing.get_context("spawn").Process(
        target=write, args=(options.count, options.classes, options.folder)
    )
    writer.start()
    writer.join()
    targets = np.load(options.folder / "targets.npy")
    best = np.load(options.folder / "best.npy")
    features = np.memmap(
        options.folder / "features.bin", np.float32, "r", shape=(len(targets), WIDTH)
    )
    seen = features[: options.count]
    held_out = features[options.count :]
    known = targets[: options.count]
    asked = targets[options.count :]
    # Imports and starts the threads of BLAS.
    fit_logistic(held_out[:100], asked[:100], TrainParams(), labels=options.classes)
    with Peak() as peak:
        began = time.perf_counter()
        fitted = fit_logistic(
            seen, known, TrainParams(), labels=options.classes, validation=(held_out, asked)
        )
        seconds = time.perf_counter() - began
    found = (held_out @ fitted.kernel + fitted.bias).argmax(axis=1)
    figures = {
        "count": options.count,
        "seconds": seconds,
        "iterations": len(fitted.history),
        "memory_mb": peak.above / 1e6,
        "accuracy": float((found == asked).mean()),
        "bayes_accuracy": float((best == asked).mean()),
    }
    if options.count <= EXACT:
        figures["exact_accuracy"] = exact_accuracy(seen, known, held_out, asked)
    print(json.dumps(figures))


def write(count: int, classes: int, folder: Path) -> None:
    """Write features and targets, the held-out ones last, and the best possible predictions for these."""
    chance = np.random.default_rng(7)
    centres = SEPARATION * chance.standard_normal((classes, LATENT))
    mixing = chance.standard_normal((LATENT, WIDTH)) * np.sqrt(1 / (1 + np.arange(LATENT)))[:, None]
    shift = chance.normal(-0.5, 1, WIDTH)
    targets = []
    best = []
    with (folder / "features.bin").open("wb") as file:
        for start in range(0, count + HELD_OUT, PIECE):
            size = min(PIECE, count + HELD_OUT - start)
            labels = chance.integers(0, classes, size)
            latent = centres[labels] + chance.standard_normal((size, LATENT))
            noise = 0.5 * chance.standard_normal((size, WIDTH), dtype=np.float32)
            np.maximum((latent @ mixing + shift).astype(np.float32) + noise, 0).tofile(file)
            targets.append(labels.astype(np.int32))
            best.append((latent @ centres.T - 0.5 * (centres**2).sum(axis=1)).argmax(axis=1))
    np.save(folder / "targets.npy", np.concatenate(targets))
    np.save(folder / "best.npy", np.concatenate(best)[count:])


def exact_accuracy(
    seen: np.ndarray, known: np.ndarray, held_out: np.ndarray, asked: np.ndarray
) -> float:
    """Return the accuracy of scikit-learn's fit to the same features, standardised in memory."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return float(
        model.fit(seen.astype(np.float64), known).score(held_out.astype(np.float64), asked)
    )


class Peak:
    """Sample the anonymous memory of this process in a block; ``above`` is the peak over the initial value."""

    def __enter__(self) -> Peak:
        self._over = threading.Event()
        self._first = self._most = anonymous()
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join()
        self.above = self._most - self._first

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, anonymous())


def anonymous() -> int:
    """Return the anonymous memory of this process in bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[1])


if __name__ == "__main__":
    main()
