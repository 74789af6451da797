"""Format predictions for a terminal: a table of few, or a summary of many."""

from pixmill.core.errors import DataError
from pixmill.core.words import count, first_of, percent, printable
from pixmill.models.inference import Located
from pixmill.serve.predict.gallery.sample import Sample
from pixmill.serve.predict.inputs import InputStream
from pixmill.serve.predict.model import Model
from pixmill.serve.predict.predicting import Row

_MAX_TABLE_ROWS = 40
"""Maximum number of images in a table; more are summarized."""

_MAX_ALTERNATIVES = 2
_MIN_PROBABILITY = 0.01
"""Maximum number of further classes for an image, and their minimum probability."""

_MAX_CLASSES = 40
"""Maximum number of classes in a summary."""


class Summary:
    """Count rows, and keep the first ones for a table.

    Args:
        model: The model that predicts.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._sample = Sample(model.labels, model.head)
        self._failed: set[str] = set()
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Count a row."""
        self._sample.add(row)
        if len(self._rows) <= _MAX_TABLE_ROWS:
            self._rows.append(row)
        if row["predicted"] is None:
            self._failed.add(row["path"])

    def require(self, images: InputStream) -> None:
        """Check that each file named by itself, and at least one file of folders, has a prediction.

        Args:
            images: The images of the rows.

        Raises:
            DataError: None has, or a named file or URL lacks it.
        """
        if not self._failed:
            return
        named = [each.name for each in images if not isinstance(each.source, Located)]
        failed = [printable(name) for name in named if name in self._failed]
        if failed or not self._sample.read:
            raise DataError(
                f"no prediction for {first_of(failed, 5) if failed else 'any file'}",
                next="name an image, or a folder with images: its other files are listed with the "
                "reason",
            )

    def lines(self) -> list[str]:
        """Return the lines of the summary: images by class, unsure, unlike, unreadable."""
        model = self._model
        sample = self._sample
        lines = [f"{count(sample.read, 'image')} predicted by {model.title} ({model.digest[:12]})"]
        listed = {printable(of.label): of.n for of in sample.classes[:_MAX_CLASSES]}
        width = max(map(len, listed), default=0)
        lines += [
            f"  {name:{width}}  {n:>9,}  {percent(n / sample.read):>7}"
            for name, n in listed.items()
        ]
        if more := len(sample.classes) - len(listed):
            lines.append(f"  and {more:,} more classes")
        lines += model.cautions
        if n := sample.unsure:
            lines.append(f"Not sure: {n:,} ({percent(n / sample.read)}), {model.doubt}")
        if n := sample.unlike:
            lines.append(
                f"Unlike the training images: {n:,} ({percent(n / sample.read)}), whose "
                "predictions are unreliable"
            )
        if n := sample.n - sample.read:
            lines.append(f"No prediction: {count(n, 'file')}")
            lines += [f"  {of.n:>9,}  {_meaning(reason)}" for reason, of in sample.failures]
        return lines

    @property
    def is_short(self) -> bool:
        """Whether a table has all rows."""
        return 0 < len(self._rows) <= _MAX_TABLE_ROWS

    def table(self) -> list[str]:
        """Return a line per image: path, class, confidence, doubt and alternatives, or the reason."""
        model = self._model
        cells = [_cells(row, model) for row in self._rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for path, label, confidence, doubt, rest in cells:
            line = f"{path:{widths[0]}}  "
            if label:
                line += f"{label:{widths[1]}}  {confidence:>{widths[2]}}  "
            if label and widths[3]:
                line += f"{doubt:{widths[3]}}  "
            lines.append(f"{line}{rest}".rstrip())
        notes = model.cautions
        if self._sample.unsure:
            notes.append(f"Not sure: {model.doubt}")
        if self._sample.unlike:
            notes.append(
                "Unlike the training images: the model was not trained on such images, so its "
                "prediction is unreliable"
            )
        return [*lines, "", *notes] if notes else lines


def _cells(row: Row, model: Model) -> tuple[str, str, str, str, str]:
    path = printable(row["path"])
    if row["predicted"] is None:
        return path, "", "", "", f"no prediction: {_meaning(row['reason'])}"
    doubt = "not sure" if row["sure"] is False else ""
    if row["unlike"]:
        doubt = "unlike the training images"
    answers = model.head.answers_of(row["predicted"])
    others = {label: row[f"p_{label}"] for label in model.labels if label not in answers}
    rest = [
        f"{printable(label)} {percent(others[label])}"
        for label in sorted(others, key=others.__getitem__, reverse=True)[:_MAX_ALTERNATIVES]
        if others[label] >= _MIN_PROBABILITY
    ]
    label = ", ".join(map(printable, answers))
    return path, label, percent(row["confidence"]), doubt, ", ".join(rest)


def _meaning(reason: str) -> str:
    from pixmill.models.prediction_reasons import meaning

    words = meaning(reason)
    return f"{words[:1].lower()}{words[1:]}" if words[1:2] == words[1:2].lower() else words
