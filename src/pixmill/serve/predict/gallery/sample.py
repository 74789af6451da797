"""Counts and a bounded sample of a stream of predictions."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from pixmill.heads import ONE_LABEL, Head

_SAMPLE_SIZE = 48
"""Images in the random sample, and in the list of the least certain."""

_MAX_PER_CLASS = 16
_MAX_ALL_CLASSES = 600
"""Maximum number of images of one class and kind (least or most certain), and of all classes and
kinds together."""

_MAX_FILES = 20
"""Maximum number of unreadable files per reason."""

_BINS = 20
"""Bins of the confidence histogram, from 0 to 1."""

_MAX_PROBABILITIES = 100
"""Maximum number of probabilities per image, largest first; further ones are hardly above 0."""

_KEY_DIGITS = 16
"""Number of last digits of an id that order the random sample; an id is a digest, so they are
random."""

_Key = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Guess:
    """A predicted image for display.

    Args:
        path: Its path or URL.
        id: The sha256 of its bytes.
        label: The predicted class, or labels.
        confidence: Its probability, 0 to 1.
        sure: Whether the confidence reaches the model's threshold; ``None`` without a threshold.
        unlike: Whether the image is unlike the training images.
        probabilities: Index of the class and probability, largest first.
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
    """The images with the lowest keys. Equal keys are copies of an image; the first is kept."""

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
    """Counts and examples of a predicted class."""

    label: str
    n: int = 0
    unsure: int = 0
    unlike: int = 0
    _least: _Lowest = field(default_factory=_Lowest)
    _most: _Lowest = field(default_factory=_Lowest)

    def examples(self, limit: int) -> tuple[list[Guess], list[Guess]]:
        """Return up to ``limit`` most and least certain images, each most certain first."""
        most = self._most.guesses[:limit]
        return most, [guess for guess in self._least.guesses[:limit] if guess not in most][::-1]


@dataclass(slots=True)
class UnreadableFiles:
    """Number and first paths of the files that are unreadable for one reason."""

    n: int = 0
    paths: list[str] = field(default_factory=list)


class Sample:
    """Counts and a deterministic sample of rows.

    The memory depends on the number of classes, not of rows.

    Args:
        labels: Classes in the order of the model's outputs.
        head: What the model answers; an image with several labels is of each of these classes.

    Attributes:
        n: Number of rows.
        read: Rows with a prediction.
        unsure: Rows below the threshold, except those that are unlike the training images.
        unlike: Rows that are unlike the training images.
        histogram: Counts by confidence of reliable rows, and of unsure or unlike rows.
        random: Random sample.
        least: Images with the lowest confidence, lowest first.
        strange: Images that are unlike the training images, lowest confidence first.
    """

    def __init__(self, labels: Sequence[str], head: Head = ONE_LABEL) -> None:
        self._head = head
        self.n = self.read = self.unsure = self.unlike = 0
        self.histogram = ([0] * _BINS, [0] * _BINS)
        self._unread: dict[str, UnreadableFiles] = {}
        self._columns = [f"p_{label}" for label in labels]
        self._classes: dict[str, PredictedClass] = {}
        self._random = _Lowest()
        self._least = _Lowest()
        self._strange = _Lowest()
        self.strange = self._strange.guesses
        self.random = self._random.guesses
        self.least = self._least.guesses

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row, and keep it if it belongs to the sample.

        Args:
            row: Row of ``pixmill predict``; ``predicted`` is ``None`` if there is no prediction.
        """
        self.n += 1
        label = row["predicted"]
        if label is None:
            of_reason = self._unread.setdefault(row["reason"] or "unreadable", UnreadableFiles())
            of_reason.n += 1
            if len(of_reason.paths) < _MAX_FILES:
                of_reason.paths.append(row["path"])
            return
        confidence = float(row["confidence"])
        unlike = bool(row["unlike"])
        unsure = not unlike and row["sure"] is not None and not row["sure"]
        self.read += 1
        self.unsure += unsure
        self.unlike += unlike
        self.histogram[unsure or unlike][min(_BINS - 1, int(confidence * _BINS))] += 1
        answers = self._head.answers_of(label)
        for answer in answers:
            of_class = self._classes.setdefault(answer, PredictedClass(answer))
            of_class.n += 1
            of_class.unsure += unsure
            of_class.unlike += unlike
        self._keep(row, confidence, answers)

    def _keep(self, row: Mapping[str, Any], confidence: float, answers: Sequence[str]) -> None:
        name = row["id"][-_KEY_DIGITS:]
        least = (confidence, name)
        most = (-confidence, name)
        limit = self.limit
        places = (
            (self._least, least, _SAMPLE_SIZE),
            (self._strange, least, _SAMPLE_SIZE if row["unlike"] else 0),
            (self._random, (0.0, name), _SAMPLE_SIZE),
            *((self._classes[answer]._least, least, limit) for answer in answers),
            *((self._classes[answer]._most, most, limit) for answer in answers),
        )
        make = cache(partial(self._guess, row, confidence, ", ".join(answers)))  # Few are kept.
        for lowest, key, most_kept in places:
            lowest.put(key, make, most_kept)

    def _guess(self, row: Mapping[str, Any], confidence: float, label: str) -> Guess:
        given = sorted(
            ((place, float(row[column])) for place, column in enumerate(self._columns)),
            key=lambda pair: -pair[1],
        )
        answer = (label, confidence, row["sure"], bool(row["unlike"]))
        return Guess(row["path"], row["id"], *answer, tuple(given[:_MAX_PROBABILITIES]))

    @property
    def limit(self) -> int:
        """Maximum number of images of a class and kind; it decreases with the number of classes."""
        return max(1, min(_MAX_PER_CLASS, _MAX_ALL_CLASSES // (2 * max(1, len(self._classes)))))

    @property
    def classes(self) -> list[PredictedClass]:
        """The predicted classes, largest first."""
        return sorted(self._classes.values(), key=lambda of_class: (-of_class.n, of_class.label))

    @property
    def failures(self) -> list[tuple[str, UnreadableFiles]]:
        """Files without a prediction by reason, the most frequent first."""
        return sorted(self._unread.items(), key=lambda item: (-item[1].n, item[0]))
