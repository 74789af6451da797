"""Evaluate: predict every image once, measure the predictions, and analyse the errors.

- ``evaluation``: the stage's entry point
- ``predictions``: one row per image, from which all metrics are computed; and unlabelled images
- ``measure``: the metrics in ``plots/evaluate/full.json``, including calibration on the test split
- ``baseline``: the colour-histogram baseline
- ``slices``: accuracy by slice, such as size or brightness
- ``labels``: which labels are most likely wrong
- ``mistakes``: example images to inspect; ``gradcam``: Grad-CAM heatmaps
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixmill.evaluate.evaluation import Evaluation, evaluate
    from pixmill.evaluate.labels import LABELS
    from pixmill.evaluate.measure import headline
    from pixmill.evaluate.predictions import predictions_schema

__all__ = ["LABELS", "Evaluation", "evaluate", "headline", "predictions_schema"]

_HOMES = {
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "LABELS": "labels",
    "headline": "measure",
    "predictions_schema": "predictions",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: ``gradcam`` needs none of the packages that the others need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
