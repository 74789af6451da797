"""The pass that computes features of image files, in guarded worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from pixmill.images.verified_reading import UndecodableError, read_image
from pixmill.models.classifier import Preprocessing
from pixmill.models.litert import Network, load_litert


def file_features(
    names: Sequence[str], *, network: bytes, preprocessing: Preprocessing, root: Path
) -> list[bytes | str]:
    """Return the features of each file as ``float16``, or a reason in one word.

    Args:
        names: Files relative to the project folder.
        network: Content of the backbone's LiteRT file, which is loaded at most once.
        preprocessing: From files to the pixels of the network.
        root: Project folder.
    """
    return [_features(_load(network), preprocessing, root / name) for name in names]


@lru_cache(1)
def _load(content: bytes) -> Network:
    return load_litert(content, threads=1)


def _features(network: Network, preprocessing: Preprocessing, path: Path) -> bytes | str:
    try:
        pixels = preprocessing(read_image(path))
    except UndecodableError as error:
        return error.reason
    except OSError:
        return "unreadable"
    return bytes(network(pixels[None])[0].astype(np.float16).tobytes())
