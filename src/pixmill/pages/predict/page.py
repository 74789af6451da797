"""The page of ``pixmill predict --html``: what a model says of many images."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.learn.prediction_reasons import meaning
from pixmill.pages.base import histogram_svg, render_page
from pixmill.pages.base.thumbnails import Thumbnail, each_thumbnail
from pixmill.pages.predict.sample import Guess, PredictedClass, Sample

Content = Callable[[str], Path | bytes | None]
"""Returns the file or the bytes of the image at a row's ``path``, or ``None``."""

_MOST_BYTES = 4_800_000
"""The most bytes of the page."""

_LARGE = 60_000
"""The most bytes of one image, so that a page of a few is no larger than it need be."""

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
        model: The model, as :class:`pixmill.predict.Model`: its ``name``, ``version``, ``digest``, ``labels``,
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
    page = {
        "model": model,
        "sample": sample,
        "histogram": _histogram(sample, model.threshold, doubt := _doubt(sample)),
        "doubt": doubt,
        "overall": overall,
        "classes": classes[:_LISTED],
        "others": [of for of, _ in classes[_LISTED:]],
        "never": [label for label in model.labels if label not in {of.label for of, _ in classes}],
        "unread": sorted(sample.unread.items(), key=lambda item: (-item[1].n, item[0])),
        "meaning": meaning,
        "probabilities": _probabilities,
    }
    bare = _render(page, {})
    most = min(_LARGE, (_MOST_BYTES - len(bare.encode())) // max(1, len(guesses)))
    return _render(page, _images(guesses, content, most, workers)) if guesses else bare


def _render(page: Mapping[str, Any], uris: Mapping[str, str]) -> str:
    return render_page("pixmill.pages.predict", "page.html", **page, uris=uris)


def _galleries(of: PredictedClass, limit: int) -> list[tuple[str, list[Guess]]]:
    """Return a class's most certain images, random others and the least certain; all in one if they are few."""
    most, random, least = of.examples(limit)
    if len(most) + len(random) + len(least) == of.n:
        return [("", [*most, *random, *least])]
    named = [("Most certain", most), ("Random", random), ("Least certain", least)]
    return [(name, guesses) for name, guesses in named if guesses]


def _images(guesses: Sequence[Guess], content: Content, most: int, workers: int | None) -> dict[str, str]:
    """Return the ``data:`` URIs of images by id."""
    distinct = {guess.id: guess.path for guess in guesses}
    uris = each_thumbnail(_load_images(distinct, content, most), workers=workers)
    return {name: uri for name, uri in zip(distinct, uris, strict=True) if uri is not None}


def _load_images(paths: Mapping[str, str], content: Content, most: int) -> Iterator[Thumbnail | None]:
    for name, path in paths.items():
        found = content(path)
        yield None if found is None else Thumbnail(name, found, most=most)


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
