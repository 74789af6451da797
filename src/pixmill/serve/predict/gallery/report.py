"""The page of ``pixmill predict --html``: predictions of many images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from pixmill.models.prediction_reasons import meaning
from pixmill.pages import histogram_svg, render_page
from pixmill.pages.thumbnails import Thumbnail, each_thumbnail, take_until_full
from pixmill.serve.predict.gallery.sample import Guess, PredictedClass, Sample

Content = Callable[[str], Path | bytes | None]
"""Returns the file or the bytes of the image at a ``path``, or ``None``."""

_Gallery = tuple[str, list[Guess]]
"""A heading, and its images."""

_MAX_IMAGE_BYTES = 3_000_000
"""Maximum size of all images together, which keeps the page under 5 MB."""

_THUMBNAIL_SIZES = ((24, 480), (200, 192))
"""Pairs of the maximum number of images and the size of each in pixels."""

_MAX_CLASSES_WITH_IMAGES = 200
_MAX_CLASSES = 500
"""Maximum number of predicted classes with images, and in the list; the largest come first."""

_MAX_SHOWN_AT_ONCE = 24
"""Up to this number, all images are shown in one gallery, and not by class."""


def render_gallery(
    rows: Iterable[Mapping[str, Any]],
    model: Any,
    *,
    content: Content,
    workers: int | None = None,
    root: Path | None = None,
) -> str:
    """Return an HTML page of at most 5 MB that works offline.

    It shows counts, a random sample, the least certain images, examples of each predicted class,
    and unreadable files. Rows are read once; some hundreds are kept. The same rows and images give
    the same bytes.

    Args:
        rows: Rows of ``pixmill predict`` with ``path``, ``id``, ``predicted``, ``confidence``,
            ``sure``, ``p_<class>`` and ``reason``; missing values are ``None``.
        model: A :class:`pixmill.serve.predict.model.Model`.
        content: Finds the image of a row; called for some hundreds of images. A file that is gone
            or has changed has a card without an image.
        workers: Processes that decode images; default: one per processor.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    sample = Sample(model.labels, model.head)
    for row in rows:
        sample.add(row)
    overall = [("Random sample", sample.random), ("Least certain", sample.least)]
    if sample.strange:
        overall.append(("Unlike the training images", sample.strange))
    classes: list[tuple[PredictedClass, list[_Gallery]]] = [(of, []) for of in sample.classes]
    if sample.read <= _MAX_SHOWN_AT_ONCE:
        overall = [("All images", sample.least)]
    else:
        for of, galleries in classes[:_MAX_CLASSES_WITH_IMAGES]:
            galleries += _galleries(of, sample.limit)
    shown = [*overall, *chain.from_iterable(galleries for _, galleries in classes)]
    guesses = [guess for _, group in shown for guess in group]
    size = next((size for most, size in _THUMBNAIL_SIZES if len(guesses) <= most), 96)
    doubt = _doubt(sample)
    ratios = model.shift.ratios if model.shift else ()
    impossible = [label for label, ratio in zip(model.labels, ratios, strict=False) if not ratio]
    sure = "sure or none of these" if model.shift else "sure"
    return render_page(
        "pixmill.serve.predict.gallery",
        "page.html",
        root=root,
        uris=_images(guesses, content, size, workers),
        model=model,
        sample=sample,
        histogram=_histogram(sample, sure, doubt, is_ever_sure=model.is_ever_sure),
        sure=sure,
        doubt=doubt,
        overall=overall,
        classes=classes[:_MAX_CLASSES],
        others=sample.classes[_MAX_CLASSES:],
        impossible=impossible,
        unread=sample.failures,
        meaning=meaning,
        probabilities=_probabilities,
    )


def _galleries(of: PredictedClass, limit: int) -> list[_Gallery]:
    """Return the most and least certain images of a class; one gallery if they are few."""
    most, least = of.examples(limit)
    if of.n <= 2 * limit:
        return [("", [*most, *least])]
    return [("Most certain", most), ("Least certain", least)]


def _images(
    guesses: Sequence[Guess], content: Content, size: int, workers: int | None
) -> dict[str, str]:
    """Return the ``data:`` URIs of images by id."""
    distinct = {guess.id: guess.path for guess in guesses}
    found = ((name, content(path)) for name, path in distinct.items())
    images = (None if image is None else Thumbnail(name, image, size=size) for name, image in found)
    return take_until_full(
        zip(distinct, each_thumbnail(images, workers=workers), strict=True), _MAX_IMAGE_BYTES
    )


def _doubt(sample: Sample) -> str:
    """Return the kinds of unreliable predictions that occur; empty if none."""
    reasons = {"not sure": sample.unsure, "unlike the training images": sample.unlike}
    return " or ".join(reason for reason, n in reasons.items() if n)


def _histogram(sample: Sample, sure: str, doubt: str, *, is_ever_sure: bool) -> str:
    """Return a histogram of the confidence in per cent."""
    reliable, doubtful = sample.histogram
    bins = len(reliable)
    series = {sure: reliable, doubt: doubtful}
    if not is_ever_sure:
        series = {"images": [sum(pair) for pair in zip(reliable, doubtful, strict=True)]}
    return histogram_svg(
        [100 * place / bins for place in range(bins + 1)],
        series,
        ticks=(0, 20, 40, 60, 80, 100),
        name="Images by confidence (%)",
    )


def _probabilities(guess: Guess) -> str:
    """Return the probabilities in per cent for the page's script: ``3:97.4 1:2.6``."""
    return " ".join(f"{place}:{round(100 * value, 1):g}" for place, value in guess.probabilities)
