"""Figures that say how good a classifier is, each with its definition, none of them ever not-a-number.

- ``probabilities``: what a model says, checked, and its loss picture by picture
- ``scores``: figures of a whole part and of each class, by scikit-learn
- ``calibration``: whether "90 % sure" means right nine times in ten
- ``interval``: how far chance alone may have moved an accuracy
- ``baseline``: what no model at all would score

Everywhere, ``actual`` is an array of class indices of shape (pictures,), and ``probabilities`` one of shape
(pictures, classes) whose rows sum to one. A figure that a part leaves undefined is ``None``: the precision of a class
that was never predicted, the recall of one that has no picture, the F1 of one that has neither, an area under the curve
with one class. Means over classes are taken over those where the figure is defined.
"""

from pixmill.metrics.baseline import majority_accuracy
from pixmill.metrics.calibration import expected_calibration_error
from pixmill.metrics.interval import accuracy_interval
from pixmill.metrics.probabilities import losses, normalised
from pixmill.metrics.scores import class_scores, confusion_counts, scores

__all__ = [
    "accuracy_interval",
    "class_scores",
    "confusion_counts",
    "expected_calibration_error",
    "losses",
    "majority_accuracy",
    "normalised",
    "scores",
]
