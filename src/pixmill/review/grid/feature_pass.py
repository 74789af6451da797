"""The pass that computes features of image files, in guarded worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pixmill.core.files.writing import target_within
from pixmill.images import UndecodableError, read_image
from pixmill.models.classifier import Preprocessing
from pixmill.models.litert import Network, load_litert


class FileFeatures:
    """Compute features of image files, for :func:`pixmill.images.compute.map_batches`.

    Args:
        network: Content of the backbone's LiteRT file.
        preprocessing: From files to the pixels of the network.
        root: Project folder; links out of it are not followed, except into the cache of DVC.
    """

    def __init__(self, network: bytes, preprocessing: Preprocessing, root: Path) -> None:
        self._content, self._preprocessing, self._root = network, preprocessing, root
        self._network: Network | None = None

    def __reduce__(self) -> tuple[Callable[..., FileFeatures], tuple[bytes, Preprocessing, Path]]:
        return FileFeatures, (self._content, self._preprocessing, self._root)

    def __call__(self, names: Sequence[str]) -> list[bytes | str]:
        """Return the features of each file as ``float16``, or a reason in one word.

        Args:
            names: Files relative to the project folder.
        """
        if self._network is None:
            self._network = load_litert(self._content, threads=1)
        return [self._features(self._network, self._root / name) for name in names]

    def _features(self, network: Network, path: Path) -> bytes | str:
        try:
            if path.is_symlink() and target_within(path, self._root) is None:
                return "symlink"
            pixels = self._preprocessing(read_image(path))
        except UndecodableError as error:
            return error.reason
        except (OSError, RuntimeError):  # RuntimeError: a loop of links
            return "unreadable"
        return bytes(network(pixels[None])[0].astype(np.float16).tobytes())
