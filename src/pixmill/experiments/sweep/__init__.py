"""``pixmill sweep``: many params tried on the packed images, the best one by validation, and what it is worth.

- ``space``: what is tried
- ``planning``: what is done, and what a sweep depends on
- ``searching``: the search, trial by trial, by Optuna
- ``trial_store``: finished trials, kept in ``.pixmill/sweep``
- ``outcome``: the best trial, which others may be as good, and what to expect of it
- ``recording``: the sweep in MLflow, a child run for each trial
- ``report``: text, JSON and the page
- ``applying``: a trial's values in ``params.yaml``
"""
