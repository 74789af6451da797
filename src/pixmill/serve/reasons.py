"""Why an image has no prediction, in a sentence for whoever sent it."""

from __future__ import annotations

from pixmill.images import OTHER_FORMATS

__all__ = ["sentence"]

_SENTENCES = {
    "empty": "The file is empty.",
    "html": "This is a web page, not an image.",
    "svg": "This is an SVG drawing, which is not read. Send a JPEG or PNG.",
    "archive": "This is an archive, not an image.",
    "pdf": "This is a PDF document, not an image.",
    "unknown": "This is not an image that can be read.",
    "no_decoder": "Images of this format cannot be read here. Send a JPEG or PNG.",
    "too_many_pixels": "The image has too many pixels.",
    "too_complex": "The image is too expensive to decode.",
    "truncated": "The image is incomplete: its end is missing.",
    "broken": "The image is damaged.",
    "timeout": "It took too long.",
    "memory": "The image needs too much memory.",
    "crashed": "The image cannot be decoded.",
    "bad_url": "This is not a web address.",
    "bad_data_uri": "This data: address is malformed.",
    "private_address": "This address is not on the public internet.",
    "robots": "This site does not want programs to fetch this image.",
    "x_robots_tag": "This site does not want this image to be used.",
    "too_large": "The image is too large.",
    "not_an_image": "There is no image at this address.",
    **{name: f"{title} images are not read. Send a JPEG or PNG." for name, title in OTHER_FORMATS.items()},
}


def sentence(reason: str) -> str:
    """Return what a reason means.

    Args:
        reason: One word, of a prediction or of the fetcher.
    """
    return _SENTENCES.get(reason) or f"The image could not be fetched ({reason.replace('_', ' ')})."
