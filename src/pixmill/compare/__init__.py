"""Compare two revisions of a project: whether the change matters, and why.

- ``comparison``: what a comparison holds
- ``sides``: reads a revision from Git, DVC or MLflow, without a checkout; ``revisions`` finds its commit, ``trees``
  reads its files, ``lock`` tells whether its results are up to date; ``documents`` and ``tables`` read what may be
  malformed, within bounds
- ``numbers``: metrics of both models on the common test images, with their significance
- ``flips``: only the images that flipped, without the metrics
- ``data``: images that were added, removed, relabelled or moved, and drift
- ``changes``: params, stages, packages and commits
- ``gate``: the limits of ``review`` in ``params.yaml``
- ``comparing``: all of it together
- ``report``: what a comparison says; ``text``, ``markdown`` and ``document`` (JSON) write it
- ``comment``: posts it on a pull request, from CI
"""
