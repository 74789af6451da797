"""The calibration that predictions of an earlier version still lack: they hold the probabilities before it."""

import io
import json
from collections.abc import Callable

import pyarrow.parquet as pq

from pixmill.evaluate.predictions import CALIBRATED
from pixmill.metrics.calibration import Calibration

CALIBRATION = "artifacts/train/calibration.json"

_MOST_BYTES = 65_536
"""More than any such file has."""

_LARGEST = 1000.0
"""Temperatures beyond this, or below its inverse, are none that train writes."""


def is_calibrated(content: bytes) -> bool:
    """Tell whether ``predictions.parquet`` holds calibrated probabilities.

    Args:
        content: The file's bytes.

    Raises:
        ValueError: They are no Parquet file.
    """
    metadata = pq.read_schema(io.BytesIO(content)).metadata or {}
    return all(metadata.get(name) == value for name, value in CALIBRATED.items())


def read_calibration(
    read: Callable[[], bytes | None], why: Callable[[], str], revision: str, missing: list[str]
) -> Calibration | None:
    """Return the calibration of a revision with uncalibrated predictions; without one, say so among what is missing.

    Args:
        read: Returns the bytes of its ``calibration.json``; ``None`` if it cannot be had.
        why: Returns why it cannot be had, and what helps.
        revision: The revision's name.
        missing: What could not be read, one sentence each.
    """
    content = read()
    if content is not None and len(content) <= _MOST_BYTES:
        try:
            given = json.loads(content)
        except (ValueError, RecursionError):
            given = None
        if isinstance(given, dict) and "temperature" in given:
            temperature = given["temperature"]
            if temperature is None:
                return Calibration()
            if type(temperature) in (int, float) and 1 / _LARGEST <= temperature <= _LARGEST:
                return Calibration(float(temperature))
    missing.append(
        f"{revision}: its predictions are from before calibration, as earlier versions wrote them, and {CALIBRATION} "
        f"{'is broken' if content is not None else f'cannot be read ({why()})'}; log loss, calibration error, areas "
        "under curves and confidences are left out."
    )
    return None
