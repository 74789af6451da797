"""``pixmill sweep``: search hyperparameters on the packed images, and rank the trials by validation.

- ``space``: params to search, and their values
- ``planning``: settings of a sweep, and the key of its trials
- ``searching``: the search with Optuna
- ``trial_store``: finished trials in ``.pixmill/sweep``
- ``outcome``: the best trial, trials that may be as good, and the expected value on new images
- ``recording``: the sweep in MLflow, with a child run for each trial
- ``report``: text, JSON and page
- ``applying``: writes the values of a trial into ``params.yaml``
"""
