"""``pixmill sweep``: search hyperparameters, and rank the trials by validation.

- ``space``: params to search, and their values; writes those of a trial into ``params.yaml``
- ``planning``: settings of a sweep, and the key of its trials
- ``searching``: the search with Optuna
- ``trial_store``: finished trials in ``.pixmill/sweep``
- ``outcome``: the best trial, trials that may be as good, and the expected value on new images
- ``report``: text, JSON, page, and runs in MLflow
"""
