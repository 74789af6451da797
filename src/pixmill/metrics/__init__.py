"""Figures that say how good a classifier is, each with its definition, none of them ever not-a-number.

- ``probabilities``: what a model says, checked, and its loss picture by picture
- ``scores``: figures of a whole part and of each class, by scikit-learn
- ``ranking``: areas under curves, also with pictures weighted
- ``calibration``: whether "90 % sure" means right nine times in ten
- ``interval``: how far chance alone may have moved an accuracy
- ``limits``: the same of all figures
- ``resampling``, ``resampled``: what these rest on: groups drawn again, and each draw's figures
- ``temperature``: one number that makes a model as sure as it is right
- ``coverage``: what answering only where it is sure costs
- ``contrast``: whether some pictures go worse than the others
- ``mcnemar``: two models on the same pictures, by those on which they differ
- ``paired``: how much of a difference between them is chance
- ``baseline``: what no model at all would score

Everywhere, ``actual`` is an array of class indices of shape (pictures,), and ``probabilities`` one of shape
(pictures, classes) whose rows sum to one. A figure that a part leaves undefined is ``None``: the precision of a class
that was never predicted, the recall of one that has no picture, the F1 of one that has neither, an area under the curve
with one class. Means over classes are taken over those where the figure is defined.
"""

from pixmill.metrics.baseline import majority_accuracy
from pixmill.metrics.calibration import expected_calibration_error, reliability
from pixmill.metrics.contrast import holm, worse_than_rest
from pixmill.metrics.coverage import Covered, coverage_curve, covered, sure_enough
from pixmill.metrics.interval import accuracy_interval, share_interval
from pixmill.metrics.limits import score_limits
from pixmill.metrics.mcnemar import McNemar, mcnemar
from pixmill.metrics.paired import Difference, paired_differences
from pixmill.metrics.probabilities import losses, normalised
from pixmill.metrics.scores import class_scores, confusion_counts, macro_f1, scores
from pixmill.metrics.temperature import best_temperature, tempered

__all__ = [
    "Covered",
    "Difference",
    "McNemar",
    "accuracy_interval",
    "best_temperature",
    "class_scores",
    "confusion_counts",
    "coverage_curve",
    "covered",
    "expected_calibration_error",
    "holm",
    "losses",
    "macro_f1",
    "majority_accuracy",
    "mcnemar",
    "normalised",
    "paired_differences",
    "reliability",
    "score_limits",
    "scores",
    "share_interval",
    "sure_enough",
    "tempered",
    "worse_than_rest",
]
