"""The page of ``pixmill predict --html``: what a model says of many images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.models.prediction_reasons import meaning
from pixmill.pages import histogram_svg, render_page
from pixmill.pages.thumbnails import Thumbnail, each_thumbnail, take_until_full
from pixmill.serve.predict.gallery.sample import Guess, PredictedClass, Sample

Content = Callable[[str], Path | bytes | None]
"""Returns the file or the bytes of the image at a row's ``path``, or ``None``."""

_MOST_BYTES = 3_000_000
"""What all images of the page may take, so that it stays under 5 MB whatever is in it."""

_SIZES = ((24, 480), (200, 192))
"""Up to so many images, each is so many pixels large; where there are more, they are small."""

_CLASSES, _LISTED = 200, 500
"""Predicted classes that are shown with images, and those that are listed, with most images first."""

_FEW = 24
"""Up to this many images are all shown at once, and not again by class."""


def render_gallery(
    rows: Iterable[Mapping[str, Any]], model: Any, *, content: Content, workers: int | None = None
) -> str:
    """Return a page as HTML that works offline: under 5 MB, whatever the number of images and classes.

    It shows counts, a random sample, the least certain images, some of each predicted class, and what was unreadable.
    Rows are read once, one by one; some hundreds are kept. The same rows and images give the same bytes.

    Args:
        rows: One per image, with ``path``, ``id``, ``predicted``, ``confidence``, ``sure``, ``p_<class>`` and
            ``reason``, as ``pixmill predict`` writes them; ``None`` where there is no value.
        model: The model, as :class:`pixmill.serve.predict.Model`: its ``name``, ``version``, ``digest``, ``labels``,
            ``threshold`` and ``metrics``.
        content: Finds the image of a row that is shown; called for some hundreds of rows, one by one. A file that is
            gone or has changed has a card without an image.
        workers: Processes that decode the images; default: one per processor.
    """
    sample = Sample(model.labels)
    for row in rows:
        sample.add(row)
    is_few = sample.read <= _FEW
    overall = (
        [("All images", sample.least)]
        if is_few
        else [("Random sample", sample.random), ("Least certain", sample.least)]
    )
    classes = [
        (of, () if is_few or place >= _CLASSES else _galleries(of, sample.limit))
        for place, of in enumerate(sample.classes)
    ]
    guesses = [guess for _, group in overall for guess in group]
    guesses += [guess for _, galleries in classes for _, group in galleries for guess in group]
    size = next((size for most, size in _SIZES if len(guesses) <= most), 96)
    return render_page(
        "pixmill.serve.predict.gallery",
        "page.html",
        uris=_images(guesses, content, size, workers),
        model=model,
        sample=sample,
        histogram=_histogram(sample, model.threshold, doubt := _doubt(sample)),
        doubt=doubt,
        overall=overall,
        classes=classes[:_LISTED],
        others=[of for of, _ in classes[_LISTED:]],
        never=[label for label in model.labels if label not in {of.label for of, _ in classes}],
        unread=sorted(sample.unread.items(), key=lambda item: (-item[1].n, item[0])),
        meaning=meaning,
        probabilities=_probabilities,
    )


def _galleries(of: PredictedClass, limit: int) -> list[tuple[str, list[Guess]]]:
    """Return a class's most and least certain images; all in one if they are few."""
    most, least = of.examples(limit)
    return [("", [*most, *least])] if of.n <= 2 * limit else [("Most certain", most), ("Least certain", least)]


def _images(guesses: Sequence[Guess], content: Content, size: int, workers: int | None) -> dict[str, str]:
    """Return the ``data:`` URIs of images by id."""
    distinct = {guess.id: guess.path for guess in guesses}
    found = ((name, content(path)) for name, path in distinct.items())
    images = (None if image is None else Thumbnail(name, image, size=size) for name, image in found)
    return take_until_full(zip(distinct, each_thumbnail(images, workers=workers), strict=True), _MOST_BYTES)


def _doubt(sample: Sample) -> str:
    """Return in words why some predictions are not to be relied on; empty if all are."""
    reasons = {"not sure": sample.unsure, "unlike the training images": sample.unlike}
    return " or ".join(reason for reason, n in reasons.items() if n)


def _histogram(sample: Sample, threshold: float | None, doubt: str) -> str:
    """Return how many images have which confidence in per cent."""
    sure, unsure = sample.histogram
    bins = len(sure)
    return histogram_svg(
        [100 * place / bins for place in range(bins + 1)],
        {"images": [sum(pair) for pair in zip(sure, unsure, strict=True)]}
        if threshold is None
        else {"sure": sure, doubt: unsure},
        ticks=(0, 20, 40, 60, 80, 100),
        name="Images by confidence (%)",
    )


def _probabilities(guess: Guess) -> str:
    """Return the probabilities in per cent as the page's script reads them: ``3:97.4 1:2.6``."""
    return " ".join(f"{place}:{round(100 * value, 1):g}" for place, value in guess.probabilities)
