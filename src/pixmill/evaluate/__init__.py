"""Evaluate: predict every image, measure the predictions, and analyse the errors.

- ``evaluation``: the entry point
- ``predictions``: one row per image, the basis of all metrics; predictions for unlabelled images
- ``measure``: the metrics in ``plots/evaluate/full.json``, including calibration on the test split
- ``baseline``: the colour-histogram baseline
- ``slices``: accuracy by slice, such as size or brightness
- ``labels``: label issues
- ``mistakes``: example images to inspect; ``gradcam``: Grad-CAM heatmaps
"""
