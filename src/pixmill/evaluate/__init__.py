"""Evaluate: predict every image once, measure the predictions, and analyse the errors.

- ``evaluation``: the stage's entry point
- ``predictions``: one row per image, from which all metrics are computed; and unlabelled images
- ``measure``: the metrics in ``plots/evaluate/full.json``, including calibration on the test split
- ``baseline``: the colour-histogram baseline
- ``slices``: accuracy by slice, such as size or brightness
- ``labels``: which labels are most likely wrong
- ``mistakes``: example images to inspect; ``gradcam``: Grad-CAM heatmaps
"""

from pixmill.evaluate.evaluation import Evaluation, evaluate
from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.measure import headline
from pixmill.evaluate.predictions import predictions_schema

__all__ = ["LABELS", "Evaluation", "evaluate", "headline", "predictions_schema"]
