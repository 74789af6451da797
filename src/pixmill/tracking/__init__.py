"""Experiment tracking with MLflow: params, data and code versions, metrics and artifacts of each run.

A run is written to a folder when its stage ends, and uploaded to MLflow from there. If MLflow does not accept it, it
stays pending in that folder for ``pixmill sync``. The stages import no more of this than they use.

- ``stage_runs``: the run of a training, and of an evaluation, which finds its training by the weights
- ``run_recorder``: collects a run's records; a training is also logged live
- ``epochs``: live logging of a training's epochs and folds
- ``pending``: a run as files
- ``delivery``: uploads a run from its files; idempotent
- ``sync``: uploads all pending runs, at the end of a stage and in ``pixmill sync``
- ``store``: the tracking store, and whether it responds
- ``lineage``: provenance of a run: commit, DVC hashes and process
- ``run_lookup``: reads what MLflow has of trainings; ``model_lookup``: finds a model by its name
- ``model_format``: models in MLflow's format; ``standalone`` and ``served``: the code packaged with the classifier
"""
