"""What people decide about images with several labels."""

from pixmill.core.cells import Task, merge_cells, parse_cells, render_cells
from pixmill.core.decisions import Decided


class DecidedCells(Decided):
    """All rows of one image that may have several labels.

    Two answers about one label, as after a merge, are a dispute, and no error.
    """

    answers_once = False

    @property
    def disputed(self) -> tuple[str, ...]:
        """Labels about which people disagree."""
        return tuple(label for label in dict.fromkeys(self.labels) if label in self.refused)

    @property
    def is_disputed(self) -> bool:
        """Whether people disagree about one of its labels."""
        return bool(self.disputed)

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

    def dispute(self) -> str:
        """Return who said what; empty if people agree."""
        return "; ".join(
            f"{label}: "
            + " and ".join(f"{row.answer} ({row.who})" for row in self.rows if row.label == label)
            for label in self.disputed
        )


DECIDED: dict[Task, type[Decided]] = {"one_label": Decided, "labels": DecidedCells}
"""What holds the rows of an image, by ``task``."""
