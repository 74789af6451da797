"""Experiment tracking with MLflow.

A run is written to a folder when its stage ends, and uploaded to MLflow from there. If MLflow does
not accept it, it stays pending in that folder until ``pixmill doctor --fix`` uploads it.

- ``stage_runs``: the run of a training, and of an evaluation, which finds its training by the
  weights
- ``run_recorder``: collects a run's records; a training is also logged live
- ``delivery``: uploads a run from its files; idempotent
- ``store``: the tracking store, and whether it responds
- ``lineage``: provenance of a run: commit, DVC hashes and process
- ``run_lookup``: trainings in MLflow; ``model_lookup``: models by name
- ``model_versions``: versions of a registered model; ``rolling_back``: back to an earlier version
"""
