"""Compare two revisions of a project, or rank all runs and experiments.

Two revisions:

- ``comparison``: data classes of a comparison
- ``comparing``: entry point, and a search for only the flipped images, without metrics
- ``revisions``: reads a revision from Git, DVC or MLflow, without a checkout; ``git_revisions``
  finds its commit, ``trees`` reads its files, ``results`` parses them
- ``numbers``: metrics of both models on the common images, with their significance; ``answers`` has
  their predictions, ``slices`` is a part of it; ``verdict``: the verdict and its sentence
- ``plain``: what moved and why, in one plain sentence
- ``image_changes``: added, removed, relabelled and moved images, and drift
- ``changes``: changed params, stages, packages and commits
- ``gate``: checks the limits of ``compare`` in ``params.yaml``
- ``view``: the comparison as plain values, JSON, text and Markdown; ``page``: the page with its
  images

All runs and experiments:

- ``ranking``: entry point; best on validation first, with significance
- ``trained_models``: reads runs and experiments with their files
- ``shared_validation``: finds the validation images that models share
- ``ranking_report``: text, JSON and page
"""
