"""A killed process loses no label that it has acknowledged, and no image."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.metadata import read_metadata
from pixmill.review.grid.suggesting import DROPPED
from tests.review.conftest import jpeg
from tests.review.grid.test_labels import PARAMS, Desk

State = dict[str, str | None]
"""Labels by id of the image."""

IMAGES = 120
CLASSES = ("coat", "dress", "shoe")


def work(root: Path, seed: int) -> None:
    """Label at random, and print the labels by id before and after each action."""
    desk = Desk(root)
    chance = random.Random(seed)
    desk.pile.identify(range(len(desk.pile)))
    while True:
        rows = chance.sample(range(len(desk.pile)), 8)
        act = chance.random()
        options: dict[str, Any] = {"by": "ann", "window": "one", "version": desk.pile.version}
        if act < 0.6:
            label = chance.choice(CLASSES)
            say("will", {str(desk.pile.ids[row]): label for row in rows})
            desk.labels.give(rows, label, sample=range(20), **options)
        elif act < 0.8:
            say("will", {str(desk.pile.ids[row]): DROPPED for row in rows})
            desk.labels.drop(rows, **options)
        else:
            say("will undo")
            desk.labels.undo(by="ann", window="one")
        say("did", state(desk))


def say(word: str, labels: Mapping[str, str | None] | None = None) -> None:
    sys.stdout.write(f"{word} {json.dumps(labels)}\n" if labels else f"{word}\n")
    sys.stdout.flush()


def state(desk: Desk) -> State:
    return {str(name): label for name, label in zip(desk.pile.ids, desk.pile.labels, strict=True)}


def check_kill(root: Path, seed: int, states: list[State]) -> None:
    """Kill a process that labels, and add the states of the labels to the earlier ones."""
    chance = random.Random(seed)
    command = [sys.executable, "-c", f"from {__name__} import *; work(Path({str(root)!r}), {seed})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randint(1, 20))]
        time.sleep(chance.uniform(0, 0.05))  # An action takes as long.
        process.send_signal(signal.SIGKILL)
        lines = [line for line in [*lines, *process.stdout] if line.endswith("\n")]
    done = [json.loads(line.removeprefix("did ")) for line in lines if line.startswith("did ")]
    states += done
    found = read_state(root)
    last = states[-1]
    if found != last:  # the last action was completed, although nobody was told
        assert lines[-1].startswith("will")
        if lines[-1] == "will undo\n":
            assert found in states
        else:
            assert found == last | json.loads(lines[-1].removeprefix("will "))
    states.append(found)


def read_state(root: Path) -> State:
    """Start again, and return the labels by id; each image exists once, and each labelled one has a split."""
    desk = Desk(root)
    desk.pile.identify(range(len(desk.pile)))
    counts = Counter(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in root.glob("data/*/*")
    )
    assert counts == Counter(
        hashlib.sha256(jpeg(number, 16)).hexdigest() for number in range(IMAGES)
    )
    facts = read_metadata(root / "data")
    assert {*facts} == {name for name in desk.files() if not name.startswith("unlabelled/")}
    assert all(each.split for each in facts.values())
    return state(desk)


@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_loses_no_acknowledged_action(tmp_path: Path, kills: int) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "data/unlabelled").mkdir(parents=True)
    for number in range(IMAGES):
        (tmp_path / f"data/unlabelled/{number}.jpg").write_bytes(jpeg(number, 16))
    states = [read_state(tmp_path)]
    for seed in range(kills):
        check_kill(tmp_path, seed, states)
