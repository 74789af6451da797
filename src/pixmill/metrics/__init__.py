"""Classification metrics with their definitions; none of them is ever NaN.

- ``probabilities``: validated probabilities, temperature scaling, and the loss of each image
- ``scores``: metrics of a split and of each class, by scikit-learn, and the majority-class baseline
- ``calibration``: temperature and confidence threshold, fitted on the validation split
- ``confidence``: calibration error, reliability diagram, and accuracy against coverage
- ``growth``: what the learning curve says of more images
- ``resampling``: the bootstrap over groups
- ``limits``: confidence intervals
- ``significance``: significance tests, for two models on the same images and for slices
- ``paired_accuracy``: the accuracy of two models on the same images, slice by slice

Everywhere, ``actual`` is an array of class indices of shape (images,), and ``probabilities`` one of shape
(images, classes) whose rows sum to one. A metric that is undefined on a split is ``None``: the precision of a class
that was never predicted, the recall of one without images, the F1 of one with neither, an area under the curve with one
class. Means over classes skip those where the metric is undefined.
"""
