"""Evaluate: predict every picture once, and say how good that is and where it goes wrong.

- ``parts``: the packed arrays, checked against the manifest and against what the model knows
- ``predictions``: one row a picture, which everything else follows from
- ``measure``: the figures of ``metrics/evaluate.json``
- ``mistakes``: which classes are taken for which, and the mistakes that the model was surest of
- ``reading``: sentences that say what the figures mean and what they do not
- ``figures``: the confusion matrix and the contact sheet as pictures
- ``page``: ``reports/evaluate.html``
- ``evaluation``: all of it for one trained classifier
"""

from pixmill.evaluate.evaluation import Evaluation, evaluate_classifier
from pixmill.evaluate.figures import confusion_figure, mistakes_figure
from pixmill.evaluate.measure import as_tracked
from pixmill.evaluate.predictions import predictions_schema

__all__ = [
    "Evaluation",
    "as_tracked",
    "confusion_figure",
    "evaluate_classifier",
    "mistakes_figure",
    "predictions_schema",
]
