"""Evaluate: predict every image once, measure the predictions, and analyse the errors.

- ``evaluation``: the stage's entry point
- ``predictions``: one row per image, from which all metrics are computed; and unlabelled images
- ``measure``: the metrics in ``plots/evaluate/full.json``, including calibration on the test split
- ``baseline``: the colour-histogram baseline
- ``slices``: accuracy by slice, such as size or brightness
- ``labels``: which labels are most likely wrong
- ``mistakes``: example images to inspect; ``gradcam``: Grad-CAM heatmaps
"""
