"""What of a project's files nothing needs, and how it is removed.

- ``usage``: how much of the disk each part of a project takes
- ``commits``: all commits that somebody may come back to, under names that DVC knows
- ``dvc_cache``: what no commit and not the workspace needs of DVC's cache
- ``models``: models in MLflow of trainings that nothing needs
- ``scratch``: what lies in ``.pixmill/`` and ``.dvc/tmp/`` and is of no use any more
- ``cleaning``: all of it, while nothing runs
"""
