"""Pictures: told apart by content, decoded under guard, fitted to a square, written byte for byte the same.

- ``reading``: a file to its bytes, and nothing that only bears a file's name
- ``formats``: which format some bytes are
- ``outlines``: what their headers tell, and what of them pixels depend on
- ``decoder``: Pillow, which sees no more than that
- ``appearance``: a picture as a person sees it
- ``decode``: all of that: bytes to RGB pixels, or the reason why not
- ``undecodable``: that reason
- ``fit``: pixels to the square that a model sees
- ``png``: pixels to a PNG whose bytes depend on no compressor
- ``thumbnail``: small pictures for pages
"""

from pixmill.images.decode import Decoded, Undecodable, decode, header_size
from pixmill.images.fit import ASPECTS, RESIZES, fit
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.images.reading import read_picture, read_verified

__all__ = [
    "ASPECTS",
    "EXTENSIONS",
    "RESIZES",
    "Decoded",
    "Undecodable",
    "decode",
    "fit",
    "header_size",
    "read_picture",
    "read_verified",
    "sniff",
]
