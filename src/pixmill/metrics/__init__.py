"""Classification metrics with their definitions; none of them is ever NaN.

- ``probabilities``: validated probabilities, temperature scaling, and the loss of each image
- ``cells``: metrics of yes, no and unknown for each label
- ``cell_calibration``: their temperatures, and the thresholds of sure answers
- ``scores``: metrics of a split and of each class, as in scikit-learn, and the majority-class
  baseline
- ``calibration``: temperature and confidence threshold, fitted on held-out images
- ``confidence``: calibration error, reliability diagram, and accuracy by coverage
- ``growth``: conclusion from a learning curve
- ``resampling``: bootstrap over groups
- ``limits``: confidence intervals
- ``significance``: significance tests of two models on the same images, and of slices
- ``paired_accuracy``: accuracy of two models on the same images, slice by slice
- ``many_models``: models that are significantly worse than the best, and the expected metric of the
  best

``actual`` is an array of class indices of shape (images,); ``probabilities`` is an array of shape
(images, classes) whose rows sum to one. A metric that is undefined on a split is ``None``: the
precision of a class that was never predicted, the recall of a class without images, the F1 of a
class with neither, an area under the curve with one class. Means over classes skip undefined
values.
"""
