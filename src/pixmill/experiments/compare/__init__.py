"""Compare two revisions of a project: whether the change matters, and why.

- ``comparison``: what a comparison holds
- ``revisions``: reads a revision from Git, DVC or MLflow, without a checkout; ``git_revisions`` finds its commit,
  ``trees`` reads its files; ``parquet`` reads tables that may be malformed, within bounds
- ``numbers``: metrics of both models on the common test images, with their significance
- ``ranking``: experiments and runs, best on validation first; ``trained_models`` reads them,
  ``shared_validation`` finds the images to measure them on, ``ranking_report`` writes the table
- ``flips``: only the images that flipped, without the metrics
- ``image_changes``: images that were added, removed, relabelled or moved, and drift
- ``changes``: params, stages, packages and commits
- ``gate``: the limits of ``compare`` in ``params.yaml``
- ``comparing``: all of it together
- ``description``: what a comparison says; ``text``, ``markdown`` and ``json_document`` write it,
  ``reports`` writes the files
"""
