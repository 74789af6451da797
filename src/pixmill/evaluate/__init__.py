"""Evaluate: predict every picture once, and say how good that is and where it goes wrong.

- ``predictions``: one row a picture, which everything else follows from
- ``measure``: the figures of ``metrics/evaluate.json``
- ``mistakes``: which classes are taken for which, and the mistakes that the model was surest of
- ``reading``: sentences that say what the figures mean and what they do not
- ``figures``: the confusion matrix and the contact sheet as pictures
- ``page``: ``reports/evaluate.html``
- ``evaluation``: the stage's one function
"""

from pixmill.evaluate.evaluation import Evaluation, evaluate
from pixmill.evaluate.measure import as_tracked
from pixmill.evaluate.predictions import predictions_schema

__all__ = ["Evaluation", "as_tracked", "evaluate", "predictions_schema"]
