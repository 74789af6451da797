"""Evaluate: predict every image, measure the predictions, and analyse the errors.

- ``evaluation``: the entry point
- ``predictions``: one row per image, the basis of all metrics; predictions for unlabelled images
- ``measure``: the metrics in ``plots/evaluate/full.json``: calibration on the test split, accuracy
  by slice (such as size or brightness), and the colour-histogram baseline
- ``labels``: label issues
- ``mistakes``: example images to inspect; ``gradcam``: Grad-CAM heatmaps
"""
