"""Figures that say how good a classifier is, each with its definition, none of them ever not-a-number.

- ``probabilities``: what a model says, checked, at another temperature, and its loss image by image
- ``scores``: figures of a whole part and of each class, by scikit-learn, and what no model at all would score
- ``calibration``: the temperature and the threshold, found on validation
- ``confidence``: whether "90 % sure" means right nine times in ten, and what answering only where it is sure costs
- ``resampling``: groups drawn again, and each draw's figures
- ``limits``: how far chance alone may have moved a figure
- ``comparison``: two models on the same images, or some images beside the others

Everywhere, ``actual`` is an array of class indices of shape (images,), and ``probabilities`` one of shape
(images, classes) whose rows sum to one. A figure that a part leaves undefined is ``None``: the precision of a class
that was never predicted, the recall of one that has no image, the F1 of one that has neither, an area under the curve
with one class. Means over classes are taken over those where the figure is defined.
"""
