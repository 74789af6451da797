"""What people decide about images with several labels."""

import re
from pathlib import Path

from pixmill.core.cells import Task, merge_cells, parse_cells, render_cells
from pixmill.core.decisions import Decided
from pixmill.core.files.writing import read_if_any

_LABELS = re.compile(r"""^\ufeff?task *: *["']?labels\b""", re.MULTILINE)


class DecidedCells(Decided):
    """All rows of one image that may have several labels.

    Two answers about one label, as after a merge, are a dispute about that one alone.
    """

    has_one_label = False

    @property
    def is_suspended(self) -> bool:
        """Whether one keeps and another one drops it: of labels, all but the disputed ones hold."""
        return "" in self.disputed

    def resolve_label(self, came: str | None) -> str | None:
        """Return the text of the cells after decisions; ``None`` if nothing is known."""
        cells = self.resolve_cells(parse_cells(came))
        return render_cells(cells) if cells else None

    def corrects(self, came: str | None) -> bool:
        """Return whether people gave another answer about a label than the one that came."""
        return bool(merge_cells([parse_cells(came), self.resolve_cells({})])[1])

    def settles(self, label: str) -> bool:
        """Return whether there is an answer about a label, or the image is dropped."""
        return self.fate == "drop" or label in {*self.labels, *self.refused}

    @staticmethod
    def is_doubted(text: str, label: str, suggested: str) -> bool:
        """Return whether the suggested answer is another one than the image has."""
        return bool(parse_cells(text).get(label)) is not (suggested == "yes")


DECIDED: dict[Task, type[Decided]] = {"one_label": Decided, "labels": DecidedCells}
"""What holds the rows of an image, by ``task``."""


def written_task(root: Path) -> Task:
    """Return the task in ``params.yaml``, whatever else that file says."""
    return "labels" if _LABELS.search(read_if_any(root / "params.yaml") or "") else "one_label"
