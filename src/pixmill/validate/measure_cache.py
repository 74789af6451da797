"""What was measured of images in earlier runs, by their ids, so that none is decoded twice."""

import contextlib
import importlib.metadata
from pathlib import Path

import numpy as np
from blake3 import blake3
from PIL import __version__ as pillow
from PIL import features

from pixmill.core.cache import Cache
from pixmill.provenance.results import digest_code

_PATIENCE = 10.0
"""Seconds that a write waits for another process to end its own."""

_DECODERS = ("jpg", "libjpeg_turbo", "jpg_2000", "zlib", "zlib_ng", "libtiff", "webp", "avif", "littlecms2")


def open_cache(folder: Path, max_pixels: int) -> Cache:
    """Return the cache of measures, and delete those that other code, decoders or limits have made.

    An image's measures depend on the code of the pass, the decoders' versions, and the limit of pixels; not on the
    limits of time and memory, since what is lost to them is never kept.

    Args:
        folder: Where caches lie.
        max_pixels: The most pixels that are decoded.
    """
    path = folder / f"measures-{_version(max_pixels)}.sqlite"

    def tidy() -> None:
        for other in folder.glob("measures-*.sqlite*"):
            if not other.name.startswith(path.name):
                other.unlink(missing_ok=True)

    return Cache(path, patience=_PATIENCE, tidy=tidy)


def _version(max_pixels: int) -> str:
    parts = [f"pixels {max_pixels}", f"numpy {np.__version__}", f"pillow {pillow}"]
    parts += [f"{name} {features.version(name)}" for name in _DECODERS]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        parts.append(f"heif {importlib.metadata.version('pillow-heif')}")
    parts.append(digest_code("measures"))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)
