"""Evaluate: predict every picture once, and say how good that is and where it goes wrong.

What is measured:

- ``predictions``: one row a picture, which everything else follows from
- ``measure``: the figures of ``metrics/evaluate.json``
- ``baseline``: what colours alone tell
- ``calibration``: whether confidence can be taken at its word, and where to say "not sure"
- ``slices``: kinds of pictures that do worse than others
- ``labels``, ``labels_folds``, ``labels_search``: which labels are most likely wrong
- ``unlabelled``: what the model says of pictures whose class nobody has told

What is shown:

- ``mistakes``, ``sheets``: pictures to look at
- ``gradcam``: where the model looked
- ``reading``: sentences that say what the figures mean and what they do not
- ``figures``, ``charts``: pictures for other tools, and curves for the page
- ``page``: ``reports/evaluate.html``
- ``evaluation``: the stage's one function
"""

from pixmill.evaluate.evaluation import Evaluation, evaluate
from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.measure import as_tracked
from pixmill.evaluate.predictions import predictions_schema
from pixmill.evaluate.unlabelled import unlabelled_schema

__all__ = ["LABELS", "Evaluation", "as_tracked", "evaluate", "predictions_schema", "unlabelled_schema"]
