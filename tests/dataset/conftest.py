"""The project with a history that comparisons share."""

from tests.experiments.compare.conftest import history, project

__all__ = ["history", "project"]
