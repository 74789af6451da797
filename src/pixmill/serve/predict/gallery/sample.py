"""Choose what is shown of a stream of predictions: counts of all, and a bounded sample."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

_OVERALL = 48
"""Images in the random sample and among the least certain."""

_OF_CLASS, _OF_ALL_CLASSES = 16, 600
"""The most images of one class that are shown of each kind (least and most certain), and of all classes and kinds
together."""

_FILES = 20
"""Unreadable files that are listed for each reason."""

_BINS = 20
"""Bins of the histogram of confidence, from 0 to 1."""

_PROBABILITIES = 100
"""The most probabilities of one image, the largest first: with more classes, the others are hardly above 0."""

_DIGITS = 16
"""Digits of an id that order the random sample: an id is a digest, so its last digits are as good as random."""

_Key = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Guess:
    """What is shown of a predicted image.

    Args:
        path: Its path or URL.
        id: The sha256 of its bytes.
        label: The predicted class.
        confidence: Its probability, 0 to 1.
        sure: Whether that reaches the model's threshold; ``None``: it has none.
        unlike: Whether the image is unlike the training images.
        probabilities: The largest probabilities, largest first: a class's index and the value.
    """

    path: str
    id: str
    label: str
    confidence: float
    sure: bool | None
    unlike: bool
    probabilities: tuple[tuple[int, float], ...]


@dataclass(slots=True)
class _Lowest:
    """Keep the images with the lowest keys; equal keys are copies of an image, of which the first stays."""

    keys: list[_Key] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)

    def put(self, key: _Key, make: Callable[[], Guess], limit: int) -> None:
        place = bisect_left(self.keys, key)
        if place < limit and self.keys[place : place + 1] != [key]:
            self.keys.insert(place, key)
            self.guesses.insert(place, make())
            del self.keys[limit:], self.guesses[limit:]


@dataclass(slots=True)
class PredictedClass:
    """Count the images of a predicted class, and keep some."""

    label: str
    n: int = 0
    unsure: int = 0
    unlike: int = 0
    _least: _Lowest = field(default_factory=_Lowest)
    _most: _Lowest = field(default_factory=_Lowest)

    def examples(self, limit: int) -> tuple[list[Guess], list[Guess]]:
        """Return the most certain images and the least certain, both from most to least certain; no image is in both.

        Args:
            limit: The most images of each.
        """
        most = self._most.guesses[:limit]
        return most, [guess for guess in self._least.guesses[:limit] if guess not in most][::-1]


@dataclass(slots=True)
class UnreadableFiles:
    """Count the files that are unreadable for one reason, and keep the first few paths."""

    n: int = 0
    paths: list[str] = field(default_factory=list)


class Sample:
    """Take rows of a table of predictions one by one; memory grows with the number of classes, not of rows.

    What is kept follows from the rows alone.

    Args:
        labels: The classes, in the order of the model's outputs.

    Attributes:
        n: Rows.
        read: Rows with a prediction.
        unsure: Those that do not reach the threshold, without the next.
        unlike: Those that are unlike the training images.
        histogram: Counts by confidence of the rows that are neither, and of those that are one of them.
        unread: The files without a prediction, by reason.
        random: A random sample.
        least: The images with the lowest confidence, lowest first.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.n = self.read = self.unsure = self.unlike = 0
        self.histogram = ([0] * _BINS, [0] * _BINS)
        self.unread: dict[str, UnreadableFiles] = {}
        self._columns = [f"p_{label}" for label in labels]
        self._classes: dict[str, PredictedClass] = {}
        self._random, self._least = _Lowest(), _Lowest()
        self.random, self.least = self._random.guesses, self._least.guesses

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row, and keep it if it belongs to what is shown.

        Args:
            row: Plain values; ``predicted`` is ``None`` where there is no prediction.
        """
        self.n += 1
        label = row["predicted"]
        if label is None:
            of_reason = self.unread.setdefault(row["reason"] or "unreadable", UnreadableFiles())
            of_reason.n += 1
            if len(of_reason.paths) < _FILES:
                of_reason.paths.append(row["path"])
            return
        confidence, unlike = float(row["confidence"]), bool(row["unlike"])
        unsure = not unlike and row["sure"] is not None and not row["sure"]
        self.read += 1
        self.unsure += unsure
        self.unlike += unlike
        self.histogram[unsure or unlike][min(_BINS - 1, int(confidence * _BINS))] += 1
        of_class = self._classes.setdefault(label, PredictedClass(label))
        of_class.n += 1
        of_class.unsure += unsure
        of_class.unlike += unlike
        self._keep(row, confidence, of_class)

    def _keep(self, row: Mapping[str, Any], confidence: float, of_class: PredictedClass) -> None:
        name = row["id"][-_DIGITS:]
        least, most, limit = (confidence, name), (-confidence, name), self.limit
        places = (
            (self._least, least, _OVERALL),
            (self._random, (0.0, name), _OVERALL),
            (of_class._least, least, limit),
            (of_class._most, most, limit),
        )
        make = cache(partial(self._guess, row, confidence))  # few rows are kept
        for lowest, key, most_kept in places:
            lowest.put(key, make, most_kept)

    def _guess(self, row: Mapping[str, Any], confidence: float) -> Guess:
        given = sorted(
            ((place, float(row[column])) for place, column in enumerate(self._columns)), key=lambda pair: -pair[1]
        )
        answer = (row["predicted"], confidence, row["sure"], bool(row["unlike"]))
        return Guess(row["path"], row["id"], *answer, tuple(given[:_PROBABILITIES]))

    @property
    def limit(self) -> int:
        """The most images of a class that are shown of each kind: fewer as more classes are seen."""
        return max(1, min(_OF_CLASS, _OF_ALL_CLASSES // (2 * max(1, len(self._classes)))))

    @property
    def classes(self) -> list[PredictedClass]:
        """The predicted classes, those with most images first."""
        return sorted(self._classes.values(), key=lambda of_class: (-of_class.n, of_class.label))
