"""Values of a trial are written into params.yaml, and its weights are kept."""

import numpy as np
import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.params import load_params
from pixmill.experiments.sweep.planning import open_trials
from pixmill.experiments.sweep.space import find_trial
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.project.page.actions import Actions
from tests.experiments.sweep.swept import add, make_plan

TEXT = """\
# The project's params.
classes: [blue, green, red]   # three
scrape: {snapshot: '2026-11-20'}
split:
  image_size: 16        # pixels
train:
  model: cnn
  # How fast.
  learning_rate: 0.003  # per step
  cnn:
    blocks: [{filters: 4}, {filters: 8}]  # narrow
    dense: []
  epochs: 3
  threads: 2
evaluate: {}
sweep:
  space: # values to try
"""
SPACE = """\
    train.learning_rate: {low: 0.0001, high: 1.0, log: true}
    train.cnn.blocks.1.filters: [8, 16]
    train.momentum: [0.5, 0.9]
    train.optimizer: [adam, sgd]
    train.schedule.name: [constant, cosine]
"""
VALUES = {
    "train.learning_rate": 0.01,
    "train.cnn.blocks.1.filters": 16,
    "train.momentum": 0.5,
    "train.optimizer": "adam",
    "train.schedule.name": "cosine",
}


def fill(workspace, values, text=TEXT + SPACE):
    """Write params.yaml, and add complete and failed trials."""
    (workspace.root / "params.yaml").write_text(text)
    plan = make_plan(workspace)
    store = open_trials(workspace, plan)
    store.make()
    now = SweepTrial(
        0, {}, "complete", 0.5, 0, 1.0, key="of-now", answers=np.ones((2, 3), np.float32)
    )
    add(store, now)
    add(
        store,
        SweepTrial(
            1, values, "complete", 0.9, 0, 1.0, key="of-best", answers=np.ones((2, 3), np.float32)
        ),
    )
    add(store, SweepTrial(2, values, "failed", None, 0, 1.0, reason="x"))
    add(
        store,
        SweepTrial(
            3, values, "complete", 0.7, 0, 1.0, key="of-third", answers=np.ones((2, 3), np.float32)
        ),
    )
    return plan


def found(workspace, plan, number=None):
    return find_trial(
        plan.best(open_trials(workspace, plan).load()), number, command="pixmill sweep"
    )


def test_applies_values_and_keeps_the_rest(workspace) -> None:
    plan = fill(workspace, VALUES)
    page = Actions(workspace.root)
    best = page.find_best_trial()
    page.use_trial(best["number"])
    assert page.find_best_trial()["changes"] == []
    assert best["changes"] == [
        "train.learning_rate: 0.003 → 0.01",
        "train.cnn.blocks.1.filters: 8 → 16",
        "train.momentum: 0.9 → 0.5",
        "train.schedule.name: constant → cosine",
    ]
    before = (TEXT + SPACE).splitlines()
    after = (workspace.root / "params.yaml").read_text().splitlines()
    changed = [line for line in after if line not in before]
    assert [
        line.split("#")[0].strip()
        for line in changed
        if not {"name", "schedule", "momentum"} & {*line.replace(":", " ").split()}
    ] == [
        "learning_rate: 0.01",
        "blocks: [{filters: 4}, {filters: 16}]",
    ]
    for comment in (
        "# The project's params.",
        "# three",
        "# pixels",
        "# How fast.",
        "# per step",
        "# narrow",
        "# values to try",
    ):
        assert comment in "\n".join(after)
    params = load_params(workspace.root)
    assert (params.train.schedule.name, params.train.momentum) == ("cosine", 0.5)
    assert params == plan.params.model_copy(
        update={"train": params.train, "split": params.split, "sweep": plan.params.sweep}
    )


@pytest.mark.parametrize("number", [2, 9])
def test_rejects_incomplete_trials(workspace, number) -> None:
    plan = fill(workspace, VALUES)
    with pytest.raises(PixmillError, match=f"there is no complete trial {number}"):
        found(workspace, plan, number)
