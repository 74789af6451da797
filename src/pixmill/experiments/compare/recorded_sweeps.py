"""Read sweeps with their trials from MLflow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.tracking.run_lookup import MlflowRun, RunReader

SWEEP_FILE = "sweep.json"
"""Artifact of a sweep's run with the output of ``pixmill sweep --json``."""

_MAX_SWEEPS = 20


@dataclass(frozen=True)
class RecordedSweep:
    """A sweep in MLflow.

    Args:
        run: Run of the sweep.
        metric: Metric that ranked the trials.
        summary: The result as a sentence.
        trials: Complete trials, best first: ``number``, ``value``, ``worse`` and ``params`` of each.
    """

    run: MlflowRun
    metric: str
    summary: str
    trials: tuple[Mapping[str, Any], ...]


def read_sweeps(reader: RunReader, **chosen: Any) -> list[RecordedSweep]:
    """Return the newest 20 sweeps with a recorded result.

    Args:
        reader: Reader of MLflow.
        chosen: Filters of :meth:`.RunReader.list_sweeps`.

    Raises:
        PixmillError: MLflow does not respond.
    """
    found = []
    for run in reader.list_sweeps(_MAX_SWEEPS, **chosen):
        try:
            content = reader.read(run, SWEEP_FILE)
            document = json.loads(content or b"")
            done = {int(each["number"]): each for each in document["trials"] if each["value"] is not None}
            trials = tuple(
                {
                    "number": number,
                    "value": float(done[number]["value"]),
                    "worse": bool(done[number]["worse"]),
                    "params": dict(done[number]["params"]),
                }
                for number in map(int, document["order"])
            )
            found.append(RecordedSweep(run, str(document["metric"]), str(document["summary"]), trials))
        except (PixmillError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
            continue  # The artifact store may be inaccessible from this machine.
    return found
