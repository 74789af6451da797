"""Images: told apart by content, decoded under guard, measured, compared, fitted to a square, packed.

- ``reading``: a file to its bytes, and nothing that only bears a file's name
- ``formats``: which format some bytes are
- ``decode``: bytes to RGB pixels, or the reason why not; ``appearance``: as a person sees them
- ``measures``: what one decode tells of an image
- ``likeness``: which of many are near-duplicates
- ``fit``: pixels to the square that a model sees, and to thumbnails
- ``parts``: the packed parts of a split
- ``idx``: IDX files, in which MNIST and its likes are published
- ``png``: pixels to a PNG whose bytes depend on no compressor
"""

from pixmill.images.decode import Decoded, decode, header_size
from pixmill.images.fit import ASPECTS, RESIZES, fit
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.images.reading import Undecodable, read_image, read_verified

__all__ = [
    "ASPECTS",
    "EXTENSIONS",
    "RESIZES",
    "Decoded",
    "Undecodable",
    "decode",
    "fit",
    "header_size",
    "read_image",
    "read_verified",
    "sniff",
]
