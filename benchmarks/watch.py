"""Simulate models at work, and count false alarms, changes that are found, and intervals that cover.

*Years*: 20 images a day, for a year, of five Gaussian classes as on the test images: 260, with 170
for validation, 68 features. Any alarm is false. For comparison, with the same images of each day: a
Kolmogorov-Smirnov test at 5 % of the confidence, and the rule of Evidently's ``DataDriftPreset``
(at least half of the columns drift, each tested at 5 %), on all features and on the four measures
of a log; one report of Evidently itself shows that the rule is its own.

*Changes*: the bundled images, with a head, its calibration and its novelty fitted anew to 32 % of
them, 14 % for validation, 20 % for testing; 300 of the others are a stream. What changes is named
in ``CHANGES``. Nobody tuned on half hidden images, or on JPEG. *Named*: shares of the classes alone
explain it. An accuracy is shown if neither an alarm nor more than 5 % unlike images withhold it.

*Labels*: the exact power of the test of a fall, by dynamic programming, and that of the best single
test at 5 % that looks once: of Fisher if the test split is finite, else of Neyman and Pearson.

*Intervals* of accuracy and shares, about the new images themselves: Gaussian classes.

*Second model*: labels until a decision, of images on which two models differ, and of random ones.

    make bench-watch               QUICK=1 for a short one
"""

import io
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import PROJECT, ROOT, install, machine, sized
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binom, hypergeom, ks_2samp

from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import TrainParams
from pixmill.images.measures import luma_statistics, sharpness
from pixmill.models.classifier import Classifier
from pixmill.models.nearest import to_vectors
from pixmill.models.novelty import fit_novelty, load_novelty
from pixmill.serve.watch.difference import p_values
from pixmill.serve.watch.estimates import (
    estimate_accuracy,
    estimate_share,
    explain_by_shares,
)
from pixmill.serve.watch.evidence import ALARM, change, fall, preference
from pixmill.train.logistic import fit_logistic

YEARS = sized(1000, 20, 1)
SAME = sized(10, 2, 1)
"""Years in which 365 looks are compared with one, and all features are tested."""
DAYS = sized(365, 365, 4)
A_DAY = 20
VALIDATION = 170
TEST = 260

IMAGES = sized(100_000, 300, 60)
PARTITIONS, STREAMS = sized((34, 3), (4, 2), (1, 1))
LENGTH = 300
LOOKS = (50, 100, 200, 300)
MAX_UNLIKE = 0.05

SPLITS = sized((250, 1000, None), (250, None), (20,))
"""Numbers of test images; ``None``: infinite."""
ALWAYS = sized(1000, 300, 40)
"""Labels until which false alarms are counted."""
ACCURACIES = sized((0.6, 0.7, 0.8, 0.9, 0.95, 0.99), (0.6, 0.99), (0.9,))
SIZES = sized((30, 50, 100, 250, 1000, None), (50, 250), (20,))

NODES = sized(40, 10, 5)
DRAWS = sized(100, 20, 3)
RATES = (0.02, 0.05, 0.1, 0.2)
PAIRS = sized(1000, 100, 5)
LIMIT = sized(2000, 1000, 100)
"""Maximum number of labels of images on which two models differ."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = list[dict[str, Any]]


def hide(image: Image.Image) -> Image.Image:
    """Return an image whose left half is grey."""
    hidden = image.copy()
    hidden.paste((128, 128, 128), (0, 0, image.width // 2, image.height))
    return hidden


def compress(image: Image.Image) -> Image.Image:
    """Return what is left by JPEG of quality 5."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=5)
    with Image.open(content) as found:
        return found.convert("RGB")


def zoom(image: Image.Image) -> Image.Image:
    """Return the middle."""
    width, height = image.size
    return image.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))


LOOK = {
    "as before": lambda image: image,
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 60)),
    "strong blur": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 20)),
    "darkness": lambda image: ImageEnhance.Brightness(image).enhance(0.35),
    "night": lambda image: ImageEnhance.Brightness(image).enhance(0.08),
    "zoom": zoom,
    "inverted": ImageOps.invert,
    "JPEG": compress,
    "half hidden": hide,
}
ORDER = list(LOOK)

CHANGES: dict[str, tuple[str, str, float]] = {
    "nothing": ("as before", "", 1),
    "two of five classes gone": ("as before", "gone", 1),
    "one class 60 %": ("as before", "most", 1),
    "blur": ("blur", "", 1),
    "strong blur": ("strong blur", "", 1),
    "darkness": ("darkness", "", 1),
    "night": ("night", "", 1),
    "zoom": ("zoom", "", 1),
    "a class zoomed": ("zoom", "one", 1),
    "a class inverted": ("inverted", "one", 1),
    "a fifth blurred": ("blur", "", 0.2),
    "a fifth dark": ("darkness", "", 0.2),
    "not tuned: JPEG": ("JPEG", "", 1),
    "not tuned: half hidden": ("half hidden", "", 1),
    "not tuned: a tenth half hidden": ("half hidden", "", 0.1),
}
"""What changes: the look, of which classes, and the share of their images."""
SHARES = ("two of five classes gone", "one class 60 %")


class World:
    """Gaussian classes, and a model that knows them."""

    def __init__(self, seed: int, distance: float = 2.8) -> None:
        generator = np.random.default_rng([1, seed])
        means = generator.standard_normal((5, 64))
        self.means = distance * means / np.linalg.norm(means, axis=1, keepdims=True)

    def draw(
        self, images: int, generator: np.random.Generator, priors: list[float] | None = None
    ) -> tuple[Floats, Ints, Floats]:
        """Return features, classes and probabilities."""
        classes = generator.choice(5, images, p=priors)
        vectors = self.means[classes] + generator.standard_normal((images, 64))
        logits = vectors @ self.means.T - (self.means**2).sum(axis=1) / 2
        probabilities = softmax(logits, axis=1)
        measures = generator.standard_normal((images, 2))
        distances = ((vectors[:, None] - self.means) ** 2).sum(axis=2).min(axis=1)
        features = np.column_stack([vectors, logit(probabilities.max(axis=1)), measures, distances])
        return features, classes, probabilities


def logit(confidence: Floats) -> Floats:
    """Return the log-odds."""
    inside = np.clip(confidence, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))


def draw_ids(generator: np.random.Generator, images: int) -> list[str]:
    """Return ids of images."""
    trains = generator.random(images) < 0.5
    ties = (generator.random(images) * 2**32).astype(int)
    return [f"{tie:08x}{int(is_odd)}" for tie, is_odd in zip(ties, trains, strict=True)]


_P_VALUES: dict[tuple[int, int, int], float] = {}


def drifting(known: Floats, new: Floats) -> npt.NDArray[np.bool_]:
    """Return which columns drift by Evidently's default for up to 1,000 rows."""
    found = []
    for before, after in zip(known.T, new.T, strict=True):
        places = np.sort(np.r_[before, after])
        below = [
            np.searchsorted(np.sort(each), places, "right") / len(each) for each in (before, after)
        ]
        distance = np.abs(below[0] - below[1]).max()
        key = (len(before), len(after), round(distance * len(before) * len(after)))
        if key not in _P_VALUES:
            _P_VALUES[key] = float(ks_2samp(before, after).pvalue)
        found.append(_P_VALUES[key] < 0.05)
    return np.array(found)


def year(seed: int) -> dict[str, bool]:
    """Return which rules give a false alarm in a year, and whether looks in parts equal one."""
    from threadpoolctl import threadpool_limits

    world = World(seed)
    generator = np.random.default_rng([2, seed])
    old, test, new = (
        world.draw(images, generator)[0] for images in (VALIDATION, TEST, A_DAY * DAYS)
    )
    ids = draw_ids(generator, len(new))
    none = np.full(len(new), np.nan)
    found: dict[str, bool] = {}
    with threadpool_limits(1):
        p = p_values(old, test, new, ids, none)
        found["pixmill"] = bool((change(p[~np.isnan(p)]).evidence >= ALARM).any())
        if seed < SAME:
            known = none
            for end in range(A_DAY, len(new) + 1, A_DAY):
                part = p_values(old, test, new[:end], ids[:end], known[:end])
                known = np.r_[part, none[end:]]
            found["same"] = bool(np.array_equal(known, p, equal_nan=True))
    days = np.split(new, DAYS)
    measures = [drifting(test[:, -4:], day[:, -4:]) for day in days]
    found["a test of the confidence at 5 % a day"] = any(day[0] for day in measures)
    found["Evidently's preset, four measures"] = any(day.mean() >= 0.5 for day in measures)
    if seed < SAME:
        every = (drifting(test, day).mean() >= 0.5 for day in days)
        found["Evidently's preset, 68 features"] = any(every)
    return found


def years() -> pd.Series:
    """Print how many years have a false alarm."""
    with ProcessPoolExecutor(2) as pool:
        table = pd.DataFrame(pool.map(year, range(YEARS), chunksize=4))
    rates = table.astype(float).mean()
    print(f"{YEARS:,} unchanged years; {table.count().to_dict()}")
    print(rates.round(4).to_string(), end="\n\n")
    return rates


def check_evidently() -> bool | None:
    """Return whether a report of Evidently finds the same as :func:`drifting`; ``None`` without."""
    python = install(["evidently", "pandas<3"])
    if python is None:
        return None
    generator = np.random.default_rng(0)
    world = World(0)
    known, new = (world.draw(images, generator)[0][:, -4:] for images in (TEST, A_DAY))
    new = new + np.array([0, 1, 0, 0.5])
    script = ROOT / "benchmarks" / "contestants" / "watch_evidently.py"
    done = subprocess.run(
        [python, script],
        input=json.dumps([known.tolist(), new.tolist()]),
        capture_output=True,
        text=True,
        check=True,
    )
    return bool(json.loads(done.stdout.splitlines()[-1]) == int(drifting(known, new).sum()))


_CLASSIFIER: list[Classifier] = []


def measure(path: Path) -> tuple[npt.NDArray[np.float32], Floats]:
    """Return features of the backbone, and brightness and sharpness, for each look of an image."""
    if not _CLASSIFIER:
        _CLASSIFIER.append(Classifier.load(PROJECT / "artifacts" / "train", threads=1))
    classifier = _CLASSIFIER[0]
    features = []
    measures = []
    with Image.open(path) as image:
        shown = image.convert("RGB")
    for look in LOOK.values():
        content = io.BytesIO()
        look(shown).save(content, "PNG")
        pixels = classifier.preprocessing(content.getvalue())
        luma = Image.fromarray(pixels).convert("L")
        # Of a network without a backbone, the pixels: enough for a trial run.
        features.append(classifier.features(pixels[None])[0].astype(np.float32).ravel())
        measures.append(
            [luma_statistics(luma).brightness / 255, np.log1p(sharpness(np.asarray(luma)))]
        )
    return np.stack(features), np.array(measures)


def bundled() -> SimpleNamespace:
    """Return the bundled images in each look."""
    folder = PROJECT / "artifacts"
    manifest = read_table(folder / "split" / "manifest.parquet", SPLIT, stage="split")
    rows = manifest[manifest["split"].notna()].sample(frac=1, random_state=1)[:IMAGES]
    with ProcessPoolExecutor(2) as pool:
        paths = [folder / "scrape" / path for path in rows["path"]]
        found = list(pool.map(measure, paths, chunksize=8))
    features, measures = (np.stack(part) for part in zip(*found, strict=True))
    novelty = load_novelty(folder / "train")
    assert novelty is not None
    names, classes = np.unique(rows["label"].to_numpy(str), return_inverse=True)
    return SimpleNamespace(
        features=features,
        measures=measures,
        classes=classes.astype(np.int32),
        labels=len(names),
        top=len(novelty.mean),
    )


def partition(images: SimpleNamespace, seed: int) -> SimpleNamespace:
    """Return a model and the images that it has not seen."""
    count = len(images.classes)
    order = np.random.default_rng([3, seed]).permutation(count)
    train, test, old, pool = np.split(order, (np.array([0.32, 0.52, 0.66]) * count).astype(int))
    params = TrainParams(model="features", threads=1)
    seen = images.features[train, 0]
    head = fit_logistic(seen, images.classes[train], params, labels=images.labels)
    logits = images.features @ head.kernel + head.bias
    targets = images.classes[old]

    def loss(temperature: float) -> float:
        chances = softmax(logits[old, 0] / temperature, axis=1)[np.arange(len(old)), targets]
        return -float(np.log(np.maximum(chances, 1e-9)).mean())

    temperature = minimize_scalar(loss, bounds=(0.3, 3), method="bounded").x
    probabilities = softmax(logits / temperature, axis=2)
    novelty = fit_novelty(seen, images.top)
    assert novelty is not None
    features = []
    for look in range(len(LOOK)):
        own = images.features[:, look]
        vectors = np.rint(to_vectors(own, novelty).astype(float) * 127) / 127
        confidence = logit(probabilities[:, look].max(axis=1))
        features.append(
            np.column_stack([vectors, confidence, images.measures[:, look], novelty.of(own)])
        )
    every = np.stack(features, axis=1)
    return SimpleNamespace(
        classes=images.classes,
        labels=images.labels,
        test=test,
        old=old,
        pool=pool,
        features=every,
        probabilities=probabilities,
        right=probabilities.argmax(axis=2) == images.classes[:, None],
        limit=np.quantile(every[old, 0, -1], 0.995),
    )


def stream(model: SimpleNamespace, name: str, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Return images in order, and the look of each."""
    look, which, share = CHANGES[name]
    rows = generator.permutation(model.pool)
    classes = generator.permutation(model.labels)
    if which == "gone":
        rows = rows[~np.isin(model.classes[rows], classes[:2])]
    elif which == "most":
        first = model.classes[rows] == classes[0]
        rest = rows[~first][: max(1, 2 * int(first.sum()) // 3)]
        rows = generator.permutation(np.r_[rows[first], rest])
    rows = rows[:LENGTH]
    changed = generator.random(len(rows)) < share
    if which == "one":
        changed &= model.classes[rows] == classes[0]
    return rows, np.where(changed, ORDER.index(look), 0)


def follow(model: SimpleNamespace, name: str, generator: np.random.Generator) -> Rows:
    """Return what a stream shows, at each look."""
    rows, looks = stream(model, name, generator)
    before = model.features[:, 0]
    new = model.features[rows, looks]
    ids = draw_ids(generator, len(rows))
    p = p_values(before[model.old], before[model.test], new, ids, np.full(len(rows), np.nan))
    trains = np.isnan(p)
    evidence, start = change(p[~trains])
    ranked = np.flatnonzero(~trains)
    alarms = ranked[evidence >= ALARM]
    alarm = int(alarms[0]) + 1 if len(alarms) else None
    probabilities = model.probabilities[rows, looks]
    known = model.probabilities[model.test, 0]
    targets = np.eye(model.labels, dtype=bool)[model.classes[model.test]]
    only = None
    if alarm is not None:
        since = slice(ranked[start], alarm)
        estimates = map(estimate_share, probabilities[since].T, known.T, targets.T)
        shares = np.maximum([each.value for each in estimates], 0.001)
        every = np.r_[model.old, model.test]
        weights = (shares / np.maximum(targets.mean(axis=0), 1e-9))[model.classes[every]]
        only = explain_by_shares(
            before[model.old], before[model.test], weights, new[since], trains[since]
        )
    right = model.right[rows, looks]
    unlike = model.features[rows, looks, -1] > model.limit
    per_day = np.split(new, range(A_DAY, len(new), A_DAY))
    drifts = [drifting(before[model.test], day) for day in per_day]
    found = []
    for look in LOOKS:
        end = min(look, len(rows))
        estimate = estimate_accuracy(
            probabilities[:end].max(axis=1), known.max(axis=1), model.right[model.test, 0]
        )
        withheld = (alarm is not None and alarm <= end) or unlike[:end].mean() > MAX_UNLIKE
        found.append(
            {
                "change": name,
                "images": look,
                "fall": model.right[model.test, 0].mean() - right.mean(),
                "withheld": withheld,
                "covers": None if withheld else estimate.low <= right[:end].mean() <= estimate.high,
                "width": None if withheld else estimate.high - estimate.low,
                "found": alarm is not None,
                "at": alarm,
                "named": only,
                "Evidently, 68 features": any(day.mean() >= 0.5 for day in drifts),
                "Evidently, four measures": any(day[-4:].mean() >= 0.5 for day in drifts),
            }
        )
    return found


def follow_all(task: tuple[SimpleNamespace, int]) -> Rows:
    """Return what all streams of a partition show."""
    from threadpoolctl import threadpool_limits

    images, seed = task
    with threadpool_limits(1):
        model = partition(images, seed)
        generator = np.random.default_rng([4, seed])
        return [
            row
            for name in CHANGES
            for _ in range(STREAMS)
            for row in follow(model, name, generator)
        ]


def changes() -> dict[str, float | None]:
    """Print what is found in the bundled images."""
    images = bundled()
    with ProcessPoolExecutor(2) as pool:
        parts = pool.map(follow_all, [(images, seed) for seed in range(PARTITIONS)])
        table = pd.DataFrame(row for part in parts for row in part)
    table = table.astype(dict.fromkeys(("covers", "width", "at", "named", "found"), float))
    last = table[table["images"] == LOOKS[-1]].groupby("change", sort=False)
    shown = last[
        ["fall", "found", "named", "Evidently, 68 features", "Evidently, four measures"]
    ].mean()
    shown.insert(2, "median", last["at"].median())
    shown.insert(3, "latest tenth", last["at"].quantile(0.9))
    print(
        f"{PARTITIONS * STREAMS} streams of up to {LENGTH} images\n{shown.round(3).to_string()}\n"
    )
    for cell in ("withheld", "covers", "width"):
        pivot = table.pivot_table(cell, "change", "images", sort=False)
        print(f"{cell}\n{pivot.round(3).to_string()}\n")
    rows = table[table["images"] == LOOKS[-1]]
    is_shares = rows["change"].isin(SHARES)
    large = shown["fall"] >= 0.1
    return {
        "found, fall of 10 points or more": mean(shown["found"][large]),
        "found, nobody tuned on": mean(
            shown["found"][large & shown.index.str.startswith("not tuned")]
        ),
        "named as shares": mean(rows["named"][is_shares]),
        "others named as shares": mean(rows["named"][~is_shares]),
        "accuracy covered": mean(table["covers"]),
    }


def mean(values: pd.Series) -> float | None:
    """Return the mean, or ``None`` if there is none."""
    found = values.astype(float).mean()
    return None if np.isnan(found) else float(found)


def bounds(wrong: int, known: int, labels: int) -> Ints:
    """Return the lowest number of wrong answers with an alarm after each label."""
    found = np.full(labels, labels + 1)
    for count in range(labels, -1, -1):
        # The evidence does not depend on the order.
        alarms = fall(np.arange(labels) >= count, known - wrong, known) >= ALARM
        alarms &= (np.arange(labels) + 1) >= count
        found[alarms] = count
    return found


def crossing(limits: Ints, rate: float) -> Floats:
    """Return the probability of an alarm until each label."""
    chances = np.zeros(len(limits) + 2)
    chances[0] = 1
    alarm = 0.0
    found = np.zeros(len(limits))
    for place, limit in enumerate(limits.tolist()):
        step = chances * (1 - rate)
        step[1:] += chances[:-1] * rate
        alarm += step[limit:].sum()
        step[limit:] = 0
        chances = step
        found[place] = alarm
    return found


def alarms(known: int | None, accuracy: float, falls: tuple[float, ...], labels: int) -> Floats:
    """Return the probability of an alarm until each label, by fall, over all test splits."""
    if known is None:
        known = 10**8
        given = [(round(known * (1 - accuracy)), 1.0)]
    else:
        # Of large splits, some stand for their neighbours.
        edges = binom.ppf([1e-4, 1 - 1e-4], known, 1 - accuracy)
        places = np.unique(np.linspace(*edges, NODES).round().astype(int))
        ends = np.r_[-1, (places[1:] + places[:-1]) // 2, known]
        mass = np.diff(binom.cdf(ends, known, 1 - accuracy))
        given = list(zip(places.tolist(), mass.tolist(), strict=True))
    found = np.zeros((len(falls), labels))
    for wrong, chance in given:
        limits = bounds(wrong, known, labels)
        for row, lost in enumerate(falls):
            found[row] += chance * crossing(limits, min(1 - accuracy + lost, 1))
    return found


def best_single(known: int | None, accuracy: float, lost: float, labels: int) -> float:
    """Return the power of the best unbiased test at 5 % that looks once."""
    rate = 1 - accuracy
    counts = np.arange(labels + 1)
    after = binom.pmf(counts, labels, rate + lost)
    if known is None:
        return float((after * reject(binom.pmf(counts, labels, rate))).sum())
    before = binom.pmf(np.arange(known + 1), known, rate)
    power = 0.0
    for total in range(known + labels + 1):
        new = np.arange(max(0, total - known), min(labels, total) + 1)
        chances = before[total - new] * after[new]
        if chances.sum() > 1e-9:
            power += (chances * reject(hypergeom.pmf(new, known + labels, total, labels))).sum()
    return float(power)


def reject(chances: Floats) -> Floats:
    """Return with which probability a test at 5 % rejects each value, for large ones."""
    above = np.r_[chances[::-1].cumsum()[::-1][1:], 0]
    return np.clip((0.05 - above) / np.maximum(chances, 1e-300), 0, 1)


def labels() -> dict[str, float]:
    """Print the power of the test of labels."""
    found: Rows = []
    for known in SPLITS:
        for accuracy in sized((0.8, 0.9, 0.95), (0.9,), (0.9,)):
            power = alarms(known, accuracy, (0.2, 0.1), 200)
            found.append(
                {
                    "test images": known or "infinite",
                    "accuracy": accuracy,
                    "20 points in 60": power[0, 59],
                    "single test of 60": best_single(known, accuracy, 0.2, 60),
                    "10 points in 200": power[1, 199],
                    "single test of 200": best_single(known, accuracy, 0.1, 200),
                }
            )
    table = pd.DataFrame(found)
    print(f"{table.round(3).to_string(index=False)}\n")
    rates = pd.DataFrame(
        {
            accuracy: [alarms(known, accuracy, (0.0,), ALWAYS)[0, -1] for known in SIZES]
            for accuracy in ACCURACIES
        },
        index=[known or "infinite" for known in SIZES],
    )
    print(f"False alarms within {ALWAYS:,} labels, by test images\n{rates.round(4).to_string()}\n")
    return {
        "20 points in 60, share of the best": float(
            (table["20 points in 60"] / table["single test of 60"]).mean()
        ),
        "10 points in 200, share of the best": float(
            (table["10 points in 200"] / table["single test of 200"]).mean()
        ),
        "false alarms of labels": float(rates.to_numpy().max()),
    }


def intervals() -> dict[str, float]:
    """Print how often the limits of accuracy and shares cover, of Gaussian classes."""
    found: Rows = []
    for distance in (1.6, 2.8, 4.0):
        world = World(0, distance)
        for known in (100, 260, 1000):
            for new in (50, 200, 1000):
                for name, priors in (("nothing", None), ("shares", [0.6, 0.1, 0.1, 0.1, 0.1])):
                    generator = np.random.default_rng([5, known, new])
                    for _ in range(DRAWS):
                        _, truth, chances = world.draw(known, generator)
                        _, classes, answers = world.draw(new, generator, priors)
                        estimate = estimate_accuracy(
                            answers.max(axis=1),
                            chances.max(axis=1),
                            chances.argmax(axis=1) == truth,
                        )
                        right = float((answers.argmax(axis=1) == classes).mean())
                        row = {
                            "distance": distance,
                            "test images": known,
                            "images": new,
                            "change": name,
                        }
                        row["accuracy"] = estimate.low <= right <= estimate.high
                        targets = np.eye(5, dtype=bool)[truth]
                        shares = map(estimate_share, answers.T, chances.T, targets.T)
                        actual = np.bincount(classes, minlength=5) / new
                        covers = [
                            each.low <= share <= each.high
                            for each, share in zip(shares, actual, strict=True)
                        ]
                        row["shares"] = np.mean(covers)
                        found.append(row)
    table = pd.DataFrame(found).astype({"accuracy": float, "shares": float})
    summary = table.groupby(["distance", "change", "test images", "images"], sort=False).mean()
    print(f"Limits that cover\n{summary.round(3).to_string()}\n")
    return {
        "accuracy covered, simulated": float(table["accuracy"].mean()),
        "shares covered": float(table["shares"].mean()),
    }


def second_model() -> dict[str, float]:
    """Print the labels until a decision between two models."""
    generator = np.random.default_rng(6)
    found: Rows = []
    for rate in RATES:
        for wins in (0.5, 0.6, 0.7, 0.8):
            for _ in range(PAIRS):
                # Of a tenth of the images on which they differ, neither is right.
                kinds = generator.choice(3, LIMIT, p=[0.9 * wins, 0.9 * (1 - wins), 0.1])
                judged = np.flatnonzero(kinds < 2)
                evidence = preference(kinds[judged] == 0)
                place = int(np.argmax(evidence >= ALARM)) if (evidence >= ALARM).any() else None
                row: dict[str, Any] = {
                    "differ": rate,
                    "second wins": wins,
                    "decided": place is not None,
                }
                if place is not None:
                    better = (kinds[judged[: place + 1]] == 0).mean() > 0.5
                    row["wrong"] = wins == 0.5 or not better
                    row["labels"] = judged[place] + 1
                    # Random images, until as many differ.
                    row["random"] = row["labels"] + generator.negative_binomial(row["labels"], rate)
                found.append(row)
    table = pd.DataFrame(found)
    table["wrong"] = table["wrong"].eq(other=True)
    groups = table.groupby(["differ", "second wins"])
    summary = groups[["decided", "wrong"]].mean().join(groups[["labels", "random"]].median())
    summary["share"] = summary["labels"] / summary["random"]
    print(f"{summary.round(3).to_string()}\nAt most {LIMIT:,} labels\n")
    decided = table[table["second wins"] > 0.5]
    return {
        "wrong choice of a model": float(summary["wrong"].max()),
        "labels of random labelling": float((decided["labels"] / decided["random"]).mean()),
    }


def main() -> None:
    """Print the tables, and as JSON the shares."""
    print(machine(), end="\n\n")
    shares: dict[str, Any] = {**labels(), **second_model(), **intervals(), **changes()}
    rates = years()
    shares |= {
        "years with a false alarm": rates["pixmill"],
        "looks in parts are the same": rates["same"],
        "years, test of the confidence": rates["a test of the confidence at 5 % a day"],
        "years, Evidently's rule": rates["Evidently's preset, four measures"],
        "Evidently's rule is its own": check_evidently(),
    }
    print(
        json.dumps(
            {
                name: round(float(value), 4) if value is not None else None
                for name, value in shares.items()
            }
        )
    )


if __name__ == "__main__":
    main()
