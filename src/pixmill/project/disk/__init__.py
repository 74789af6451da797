"""Disk usage of a project, and cleaning.

- ``usage``: sizes of the parts of a project
- ``cleaning``: unneeded scratch files in ``.pixmill/`` and ``.dvc/tmp/``, and commands of DVC and
  MLflow for the rest
"""
