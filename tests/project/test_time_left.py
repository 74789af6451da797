"""The time left of a run, by the progress of real runs on two cores.

``recorded_runs.json`` has what the progress files of four runs said: now, stage, start of its
process, current work, finished units, all units, begin of the work, units when the first ones were
finished, when that was, whether the work is kept, and for how long earlier such work took; times are
in seconds since the begin. Other processes took up to two thirds of the time of the second run.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.files.workspace import STAGES
from pixmill.core.process.progress import StageProgress
from pixmill.project.stage_states import StageState, read_run, usual_seconds

RUNS = json.loads(Path(__file__).with_name("recorded_runs.json").read_text())

SECONDS = {"s": 1, "min": 60, "h": 3600}


def read_left(run: dict[str, Any], event: list[Any]) -> float | None:
    """Return the time left that is shown at an event of a run."""
    now, stage, started, what, count, total, begun, first, first_at, is_kept, kept = event
    progress = StageProgress(stage, "", 1, started, started, what, count, total, "image", "", begun)
    progress = StageProgress(
        **{**vars(progress), "first": first, "first_at": first_at, "is_kept": is_kept, "kept": kept}
    )
    runs = {each[1] for each in run["events"]}
    states = []
    for name in STAGES:
        status = (
            "fresh" if name not in runs or STAGES.index(name) < STAGES.index(stage) else "stale"
        )
        last = run["seconds"].get(name)
        usual = None if last else usual_seconds(name, run["images"])
        states.append(StageState(name, status, seconds=last, usual=usual))
    place = STAGES.index(stage)
    states[place] = StageState(
        stage, "running", (), progress, seconds=states[place].seconds, usual=states[place].usual
    )
    found = read_run(states, now)
    left = found and re.search(r"about ([\d.]+) (\w+) left", found.text)
    return float(left[1]) * SECONDS[left[2]] if left else None


@pytest.mark.parametrize("name", RUNS)
def test_is_within_a_factor_of_three_of_the_truth(name: str) -> None:
    run = RUNS[name]
    for event in run["events"]:
        left = read_left(run, event)
        truth = run["end"] - event[0]
        if left is None:
            # Before the first features, their rate is unknown; no run says that 0 s are left.
            is_unknown = event[9] and event[4] <= event[7] + 0.1 * event[5]
            assert event[0] < 0.1 * run["end"] or is_unknown or truth / 3 < 10, event
        else:
            # DVC stores the results of a stage for some seconds.
            assert truth / 3 - 10 <= left <= 3 * truth + 10, event
    assert read_left(run, run["events"][0]) is None
