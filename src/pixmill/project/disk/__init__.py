"""How much of the disk a project takes, and what of it may go.

- ``usage``: how much of the disk each part of a project takes
- ``scratch``: what lies in ``.pixmill/`` and ``.dvc/tmp/`` and is of no use any more
- ``cleaning``: removes that while nothing runs, and names the commands of DVC and MLflow for what they keep
"""
