"""Evaluate: predict every image once, and say how good that is and where it goes wrong.

- ``evaluation``: the stage's one function
- ``predictions``: one row an image, which everything else follows from; and images whose class nobody has told
- ``measure``: the figures of ``plots/evaluate/full.json``, and what the model's calibration is worth
- ``baseline``: what colours alone tell
- ``slices``: kinds of images that do worse than others
- ``labels``: which labels are most likely wrong
- ``mistakes``: images to look at; ``gradcam``: where the model looked
"""

from pixmill.evaluate.evaluation import Evaluation, evaluate
from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.measure import headline
from pixmill.evaluate.predictions import predictions_schema, unlabelled_schema

__all__ = ["LABELS", "Evaluation", "evaluate", "headline", "predictions_schema", "unlabelled_schema"]
