"""The scoring of a task."""

from pixmill.experiments.compare.cell_scoring import CellScoring
from pixmill.experiments.compare.class_scoring import ClassScoring

Scoring = ClassScoring | CellScoring
"""How the models of a task are compared."""

_SCORINGS: dict[str, Scoring] = {"one_label": ClassScoring(), "labels": CellScoring()}


def scoring_of(task: str) -> Scoring:
    """Return how the models of a task are compared.

    Args:
        task: As in params.yaml.
    """
    return _SCORINGS[task]
