"""Pictures: told apart by content, decoded under guard, fitted to a square, written byte for byte the same.

- ``formats``: which format some bytes are
- ``decode``: bytes to RGB pixels, or the reason why not
- ``fit``: pixels to the square that a model sees
- ``png``: pixels to a PNG whose bytes depend on no compressor
- ``thumbnail``: small pictures for pages
"""

from pixmill.images.decode import Decoded, Undecodable, decode
from pixmill.images.fit import ASPECTS, fit
from pixmill.images.formats import EXTENSIONS, sniff

__all__ = ["ASPECTS", "EXTENSIONS", "Decoded", "Undecodable", "decode", "fit", "sniff"]
