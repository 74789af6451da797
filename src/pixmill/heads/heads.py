"""The head of a task."""

from pixmill.heads.cells import CellsHead
from pixmill.heads.head import Head
from pixmill.heads.one_label import OneLabel

ONE_LABEL = OneLabel()

_HEADS: dict[str, Head] = {head.task: head for head in (ONE_LABEL, CellsHead())}


def head_of(task: str) -> Head:
    """Return the head of a task.

    Args:
        task: ``one_label`` or ``labels``, as in params.yaml and in ``labels.json`` of a model.

    Raises:
        KeyError: There is no such task.
    """
    return _HEADS[task]
