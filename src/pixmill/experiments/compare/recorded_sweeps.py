"""Sweeps in MLflow, each with its trials."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.tracking.run_lookup import MlflowRun, RunReader

SWEEP_FILE = "sweep.json"
"""Where a sweep's run has what ``pixmill sweep --json`` prints."""

_MOST = 20
"""Sweeps that are listed."""


@dataclass(frozen=True)
class RecordedSweep:
    """A sweep.

    Args:
        run: Its run.
        metric: What decided.
        summary: The result in a sentence.
        trials: The complete trials, best first: ``number``, ``value``, ``worse`` and ``params`` of each.
    """

    run: MlflowRun
    metric: str
    summary: str
    trials: tuple[Mapping[str, Any], ...]


def read_sweeps(reader: RunReader, **chosen: Any) -> list[RecordedSweep]:
    """Return the newest sweeps; those whose result was not recorded, as of one that runs, are left out.

    Args:
        reader: Reads MLflow.
        chosen: Which, as :meth:`.RunReader.list_sweeps` takes it.

    Raises:
        PixmillError: MLflow does not respond.
    """
    found = []
    for run in reader.list_sweeps(_MOST, **chosen):
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
            continue  # Its files may be where this machine has no access.
    return found
