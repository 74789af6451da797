"""Format predictions for a terminal: a table of few, or a summary of many."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pixmill.core.errors import DataError
from pixmill.core.words import count, first_of, printable
from pixmill.heads import Head
from pixmill.models.inference import Located
from pixmill.serve.predict.inputs import InputStream
from pixmill.serve.predict.model import Model
from pixmill.serve.predict.predicting import Row

MAX_TABLE_ROWS = 40
"""Maximum number of images in a table; more are summarized."""

_UNSURE = "not sure"
_UNLIKE = "unlike the training images"

_MAX_ALTERNATIVES = 2
_MIN_PROBABILITY = 0.01
"""Maximum number of further classes for an image, and their minimum probability."""

_MAX_CLASSES = 40
"""Maximum number of classes in a summary."""


class Summary:
    """Count rows, and keep the first ones for a table.

    Args:
        head: What the model answers.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self.rows: list[Row] = []
        self.n = 0
        self.failed: set[str] = set()
        self._classes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._unsure = self._unlike = 0

    def add(self, row: Row) -> None:
        """Count a row."""
        self.n += 1
        if len(self.rows) <= MAX_TABLE_ROWS:
            self.rows.append(row)
        if row["predicted"] is None:
            self._reasons[row["reason"]] += 1
            self.failed.add(row["path"])
        else:
            self._classes.update(self._head.answers_of(row["predicted"]))
            self._unlike += row["unlike"] is True
            self._unsure += row["sure"] is False and row["unlike"] is not True

    def require(self, images: InputStream) -> None:
        """Check that each file named by itself, and at least one file of folders, has a prediction.

        Args:
            images: The images of the rows.

        Raises:
            DataError: None has, or a named file or URL lacks it.
        """
        if not self.failed:
            return
        named = [each.name for each in images if not isinstance(each.source, Located)]
        failed = [printable(name) for name in named if name in self.failed]
        if failed or not self._classes:
            raise DataError(
                f"no prediction for {first_of(failed, 5) if failed else 'any file'}",
                next="name an image, or a folder with images: its other files are listed with the "
                "reason",
            )

    def lines(self, model: Model) -> list[str]:
        """Return the lines of the summary: images by class, unsure, unlike, unreadable."""
        read = self.n - self._reasons.total()
        lines = [f"{count(read, 'image')} predicted by {model.title} ({model.digest[:12]})"]
        listed = self._classes.most_common(_MAX_CLASSES)
        width = max((len(printable(name)) for name, _ in listed), default=0)
        lines += [
            f"  {printable(name):{width}}  {n:>9,}  {100 * n / read:5.1f} %" for name, n in listed
        ]
        if more := len(self._classes) - len(listed):
            lines.append(f"  and {more:,} more classes")
        lines += model.cautions
        if self._unsure:
            lines.append(
                f"Not sure: {self._unsure:,} ({100 * self._unsure / read:.1f} %), {model.doubt}"
            )
        if self._unlike:
            share = 100 * self._unlike / read
            lines.append(
                f"Unlike the training images: {self._unlike:,} ({share:.1f} %), whose predictions "
                "are unreliable"
            )
        if self._reasons:
            lines.append(f"No prediction: {count(self._reasons.total(), 'file')}")
            lines += [f"  {n:>9,}  {_meaning(reason)}" for reason, n in self._reasons.most_common()]
        return lines


def table(rows: Iterable[Row], model: Model) -> list[str]:
    """Return a line per image: path, class, confidence, doubt and alternatives, or the reason."""
    cells = [_cells(row, model) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for path, label, confidence, doubt, rest in cells:
        line = f"{path:{widths[0]}}  "
        if label:
            line += f"{label:{widths[1]}}  {confidence:>{widths[2]}}  "
        if label and widths[3]:
            line += f"{doubt:{widths[3]}}  "
        lines.append(f"{line}{rest}".rstrip())
    notes = [*model.cautions]
    doubts = {doubt for _, _, _, doubt, _ in cells}
    if _UNSURE in doubts:
        notes.append(f"Not sure: {model.doubt}")
    if _UNLIKE in doubts:
        notes.append(
            "Unlike the training images: the model was not trained on such images, so its "
            "prediction is unreliable"
        )
    return [*lines, "", *notes] if notes else lines


def _cells(row: Row, model: Model) -> tuple[str, str, str, str, str]:
    path = printable(row["path"])
    if row["predicted"] is None:
        return path, "", "", "", f"no prediction: {_meaning(row['reason'])}"
    rest = ", ".join(
        f"{printable(label)} {_percent(value)}" for label, value in _alternatives(row, model)
    )
    doubt = _UNSURE if row["sure"] is False else ""
    if row["unlike"]:
        doubt = _UNLIKE
    answers = ", ".join(map(printable, model.head.answers_of(row["predicted"])))
    return path, answers, _percent(row["confidence"]), doubt, rest


def _alternatives(row: Row, model: Model) -> Iterator[tuple[str, Any]]:
    answers = model.head.answers_of(row["predicted"])
    others = ((row[f"p_{label}"], label) for label in model.labels if label not in answers)
    for value, label in sorted(others, key=lambda pair: -pair[0])[:_MAX_ALTERNATIVES]:
        if value >= _MIN_PROBABILITY:
            yield label, value


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _meaning(reason: str) -> str:
    from pixmill.models.prediction_reasons import meaning

    words = meaning(reason)
    return f"{words[:1].lower()}{words[1:]}" if words[1:2] == words[1:2].lower() else words
