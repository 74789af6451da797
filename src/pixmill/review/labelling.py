"""How people label images in a review: with one label each, or with yes and no for several."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pixmill.core.cells import merge_cells, render_cells
from pixmill.core.decisions import Changes, Decided, label_as, set_cell
from pixmill.core.names import class_folder
from pixmill.core.params import Params
from pixmill.evaluate.cells.doubtful import DOUBTFUL
from pixmill.evaluate.labels import LABELS
from pixmill.review.cases import KINDS, Case, find_cases
from pixmill.review.cell_cases import CELL_KINDS, ask_cell, cells_of, find_cell_cases
from pixmill.review.grid.suggesting import DROPPED, Labels

_WORDS: dict[bool | None, str] = {True: "yes", False: "no"}


class OneLabel:
    """One label an image; in a session, the label of an image is its text."""

    kinds = KINDS
    """Kinds of cases that there are."""

    doubts = LABELS
    """Columns of the table of doubtful labels."""

    invitation = "Accept it to add it to the images, or drop it for good."
    """What to do with a new image."""

    cases: ClassVar[Callable[..., list[Case]]] = staticmethod(find_cases)
    """Returns the cases."""

    def resolve(self, came: Sequence[str], of: Decided | None) -> str | None:
        """Return the label of an image.

        Args:
            came: The labels that it came with.
            of: What is decided about it.
        """
        label = came[0] if len(came) == 1 else None
        return of.resolve_label(label) if of else label

    def about(self, labels: Labels, focus: str) -> Labels:  # noqa: ARG002 (there is one question)
        """Return what is known of each image for suggestions: about one label, if of several."""
        return labels

    def answers(self, classes: Sequence[str]) -> Sequence[str]:
        """Return what suggestions can be."""
        return classes

    def tiles(self, labels: Sequence[str | None]) -> dict[str, Any]:  # noqa: ARG002 (the answer of a suggestion is the label)
        """Return what the grid's tiles show beside the answer."""
        return {}

    def show(self, text: str | None) -> str | None:
        """Return a label as people read it."""
        return text

    def agree(self, known: str | None, given: str | None) -> bool:
        """Return whether a correction says what is known."""
        return known == given

    def known(self, text: str | None, classes: Sequence[str]) -> str | None:
        """Return what a correction says of these classes; ``None`` if nothing."""
        return text if text in classes else None

    def change(self, text: str | None, label: str) -> str:  # noqa: ARG002 (there is one)
        """Return the label of an image after its answer to this one changed."""
        return label

    def ask(
        self,
        row: int,
        why: str,
        known: str | None,
        given: str | None,
        classes: Sequence[str],  # noqa: ARG002 (the page shows what is none)
    ) -> list[Case]:
        """Return the cases of a correction of an image of the project."""
        title = "Correction: an image of the project"
        why += f" The project has it as '{known or 'conflicting'}'."
        return [Case("feedback", title, why, (row,), suggestion=given)]

    def folder(self, params: Params, label: str) -> str:
        """Return the folder of an accepted image with a label."""
        base = "data/train" if params.scrape.folder.layout == "fixed" else "data"
        return f"{base}/{class_folder(label)}"

    def give(self, image: str, label: str, now: Decided | None, *, by: str, why: str) -> Changes:
        """Return the changes that give an accepted image its label."""
        return label_as(image, label, now, by=by, why=why)

    def colours(self, labels: Labels, classes: Sequence[str]) -> dict[str, Labels]:  # noqa: ARG002 (an image has one)
        """Return columns of labels that can colour the map."""
        return {"label": labels}

    def tell(self, predicted: str, percent: int) -> str:
        """Return what the model says of an image, and how sure it is, for a tile."""
        return f"{predicted} {percent} %"

    def is_wrong(self, known: str, predicted: str, label: str = "", said: str = "") -> bool:
        """Return whether a prediction is wrong.

        Args:
            known: The label.
            predicted: As in the table of predictions.
            label: The label that it must be; default: any.
            said: What the model must say; default: anything.
        """
        return known != predicted and label in ("", known) and said in ("", predicted)


class SeveralLabels(OneLabel):
    """Yes and no for several labels an image; a session has the text of the cells.

    See :mod:`pixmill.core.cells`. Suggestions are about one label at a time.
    """

    kinds = CELL_KINDS
    doubts = DOUBTFUL
    invitation = "Change labels that are wrong, then accept it, or drop it for good."
    cases: ClassVar[Callable[..., list[Case]]] = staticmethod(find_cell_cases)

    def resolve(self, came: Sequence[str], of: Decided | None) -> str | None:
        """Return the cells on which those that came agree, after decisions."""
        cells = merge_cells(map(cells_of, came))[0]
        return _text(of.resolve_cells(cells) if of else cells)

    def about(self, labels: Labels, focus: str) -> Labels:
        """Return yes or no for one label."""
        return [
            text if text == DROPPED else _WORDS.get(cells_of(text).get(focus)) for text in labels
        ]

    def answers(self, classes: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 (the same for each)
        """Return the two answers."""
        return [*_WORDS.values()]

    def tiles(self, labels: Sequence[str | None]) -> dict[str, Any]:
        """Return all cells as ``known``."""
        return {"known": [*map(cells_of, labels)]}

    def show(self, text: str | None) -> str | None:
        """Return the labels that an image has, and those that it has not."""
        cells = cells_of(text)
        has = [label for label, is_yes in cells.items() if is_yes]
        lacks = [label for label, is_yes in cells.items() if not is_yes]
        parts = [", ".join(has), f"not {', '.join(lacks)}" if lacks else ""]
        return "; ".join(filter(None, parts)) or None

    def agree(self, known: str | None, given: str | None) -> bool:
        """Return whether all cells of a correction are known; without any, they are not."""
        cells = cells_of(given)
        return bool(cells) and cells.items() <= cells_of(known).items()

    def known(self, text: str | None, classes: Sequence[str]) -> str | None:
        """Return the cells of these classes."""
        return _text({label: cell for label, cell in cells_of(text).items() if label in classes})

    def change(self, text: str | None, label: str) -> str:
        """Return the cells, with no instead of yes for a label, and yes for all else."""
        cells = cells_of(text)
        return render_cells({**cells, label: not cells.get(label, False)})

    def ask(
        self, row: int, why: str, known: str | None, given: str | None, classes: Sequence[str]
    ) -> list[Case]:
        """Return a case for each of the classes about which the correction says something else."""
        return [
            ask_cell("feedback", row, label, why, _WORDS[is_yes])
            for label, is_yes in sorted(cells_of(given).items() - cells_of(known).items())
            if label in classes
        ]

    def folder(self, params: Params, label: str) -> str:  # noqa: ARG002 (it has several)
        """Return the folder of images without a label: rows of ``decisions.csv`` have them."""
        return params.evaluate.unlabelled or "data/unlabelled"

    def give(
        self,
        image: str,
        label: str,
        now: Decided | None,  # noqa: ARG002 (other cells stay)
        *,
        by: str,
        why: str,
    ) -> Changes:
        """Return the changes that answer each label."""
        changes: Changes = {}
        for name, is_yes in cells_of(label).items():
            changes |= set_cell(image, name, is_yes, by=by, why=why)
        return changes

    def colours(self, labels: Labels, classes: Sequence[str]) -> dict[str, Labels]:
        """Return yes or no for each label."""
        return {f"{name}?": self.about(labels, name) for name in classes}

    def tell(self, predicted: str, percent: int) -> str:  # noqa: ARG002 (each label has its own)
        """Return the text of the cells of the answer."""
        return predicted

    def is_wrong(self, known: str, predicted: str, label: str = "", said: str = "") -> bool:
        """Return whether a prediction is wrong about any known label, or about this one."""
        return any(
            (name in cells_of(predicted)) is not is_yes
            for name, is_yes in cells_of(known).items()
            if label in ("", name) and said in ("", _WORDS[not is_yes])
        )


_LABELLINGS = {"one_label": OneLabel(), "labels": SeveralLabels()}


def labelling_of(task: str) -> OneLabel:
    """Return how images are labelled in a project of this task."""
    return _LABELLINGS[task]


def _text(cells: Mapping[str, bool]) -> str | None:
    return render_cells(cells) if cells else None
