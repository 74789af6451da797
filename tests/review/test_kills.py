"""A killed process loses no decision that it has acknowledged, and no image."""

import hashlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from pixmill.core.decisions import read_rows
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.dataset.inbox import Inbox
from pixmill.review.choices import Choice
from pixmill.review.review_session import Session
from tests.review.conftest import CLASSES, Project, fill, jpeg

pytestmark = pytest.mark.linux

IMAGES = 60
CORRECTIONS = 40
VERBS = ("label", "label", "relabel", "drop", "clear")


def start(root: Path) -> Session:
    session = Session(Workspace(root, root), load_params(root), by="ann")
    session.images.identify(range(len(session.images)))
    return session


def work(root: Path, seed: int, pipe: int) -> None:
    """Decide at random, and write the rows to a pipe after each action."""
    session = start(root)
    images = session.images
    chance = random.Random(seed)
    corrections = [row for row in range(len(images)) if images.correction(row)]
    others = [row for row in range(len(images)) if images.is_new_file(row)]
    while True:
        os.write(pipe, f"{json.dumps(said(root))}\n".encode())
        if chance.random() < 0.2:
            session.undo("one")
            continue
        if corrections and chance.random() < 0.4:
            rows = [corrections.pop()]
            verb = chance.choice(("keep", "relabel"))
        else:
            rows = chance.sample(others, 8)
            verb = chance.choice(VERBS)
        label = chance.choice(CLASSES) if verb in ("label", "relabel") else ""
        choice = Choice(rows, verb, label)  # type: ignore[arg-type]
        session.decide([choice], window="one", version=session.version)


def said(root: Path) -> list[list[str]]:
    return sorted([row.image, row.label, row.answer] for row in read_rows(root / "decisions.csv"))


def kill(root: Path, seed: int) -> list[str]:
    """Kill a process that decides, and return the lines that it wrote."""
    chance = random.Random(seed)
    (reading, writing) = os.pipe()
    if not (child := os.fork()):
        try:
            work(root, seed, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as stream:
        lines = [stream.readline() for _ in range(chance.randint(1, 12))]
        time.sleep(chance.uniform(0, 0.02))  # An action takes as long.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [line for line in [*lines, *stream] if line.endswith("\n")]


def check_kill(root: Path, seed: int, names: set[str]) -> None:
    """What a killed process acknowledged last is there, or the next action, whole."""
    lines = kill(root, seed)
    assert lines
    before = {tuple(row) for row in json.loads(lines[-1])}
    after = {tuple(row) for row in said(root)}
    assert len({image for image, _, _ in before ^ after}) <= 8  # one action
    start(root)
    assert after == {tuple(row) for row in said(root)}
    files = [*root.glob("data/*/feedback-*")]
    kept = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert kept | {entry.id for entry in Inbox(root / "inbox").entries()[0]} == names
    assert len([*root.glob("data/unlabelled/*")]) == IMAGES


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_loses_no_acknowledged_action(tmp_path: Path, kills: int) -> None:
    project = Project(tmp_path)
    project.fill("coat", 3)
    project.write()
    fill(tmp_path, *(f"unlabelled/{number}.jpg" for number in range(IMAGES)))
    names = {
        Inbox(tmp_path / "inbox").add(
            jpeg(900 + number, 16), extension=".jpg", prediction={}, label="dress", model={}
        )
        for number in range(CORRECTIONS)
    }
    for seed in range(kills):
        check_kill(tmp_path, seed, names)
