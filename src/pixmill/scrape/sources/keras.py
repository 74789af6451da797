"""The source ``keras``: datasets of ``keras.datasets`` with their published splits."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import DataError
from pixmill.fetch import Fetched, Refused
from pixmill.images.idx import read_labelled
from pixmill.images.png import png_bytes
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.source import Access, Kind, LocalSource, SearchError

Array = npt.NDArray[np.uint8]
Parts: TypeAlias = Mapping[str, tuple[Array, Array]]
"""Images, of shape ``(n, 28, 28)``, and labels, of shape ``(n,)``, of ``train`` and ``test``."""

_SIDE = 28
_IDX_NAMES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class DataSet:
    """A dataset of grayscale images of 28 by 28 pixels.

    Args:
        classes: Names of the classes, by index.
        licence: Licence.
        author: Author.
    """

    classes: tuple[str, ...]
    licence: str
    author: str

    def index(self, text: str) -> int | None:
        """Return the index of a class, or ``None`` if there is no such class.

        Args:
            text: Name of the class, ignoring case and punctuation, or its index.

        Examples:
            >>> DATA_SETS["fashion_mnist"].index("ankle boot")
            9
        """
        names = enumerate(self.classes)
        return next(
            (index for index, name in names if _plain(text) in {_plain(name), str(index)}), None
        )


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


DATA_SETS = {
    "mnist": DataSet(
        tuple("0123456789"), "https://creativecommons.org/licenses/by-sa/3.0/", ("Yann LeCun and "
                                                                                "Corinna Cortes")
    ),
    "fashion_mnist": DataSet(
        (
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
            "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ),
        "MIT",
        "Zalando SE",
    ),
}  # fmt: skip
"""Datasets by the name of their module in ``keras.datasets``."""


class KerasSource(LocalSource):
    """Yield the images of a dataset as PNG files, whose bytes depend only on the pixels.

    The whole dataset is held in memory (55 MB).

    Args:
        name: Name in :data:`DATA_SETS`.
        path: Local copy: an ``.npz`` file as cached by Keras (``~/.keras/datasets/mnist.npz``), or
            a folder with the four IDX files, gzipped or not. Default: Keras downloads the dataset
            or uses its cache.
    """

    name = "keras"
    kind: Kind = "local"

    def __init__(self, name: str, path: Path | None = None) -> None:
        self._module = name
        self._data_set = DATA_SETS[name]
        self._path = path

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a query for each text, the name or index of a class of the dataset."""
        return [Query(label, text, f"keras.datasets.{self._module}") for text in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (no permission needed)
        """Yield the images of a class in the order of the dataset, training images first.

        Raises:
            DataError: The dataset cannot be loaded.
            SearchError: The dataset has no such class.
        """
        data_set = self._data_set
        index = data_set.index(query.text or query.label)
        if index is None:
            raise SearchError(
                "no_results",
                f"{query.address} has no class '{query.text}'; it has "
                f"{', '.join(data_set.classes)}; choose "
                f"one in scrape.queries.{query.label}",
            )
        rank = 0
        for part, (_, labels) in self._parts.items():
            for place in np.flatnonzero(labels == index):
                yield Candidate(
                    query.label,
                    query.text,
                    rank,
                    f"{self._module}/{part}/{place:05}",
                    page_url=f"https://keras.io/api/datasets/{self._module}/",
                    title=data_set.classes[index],
                    width=_SIDE,
                    height=_SIDE,
                    licence=data_set.licence,
                    author=data_set.author,
                    given_split=part,
                )
                rank += 1

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:  # noqa: ARG002 (1 KB each)
        """Return an image as a PNG file.

        Args:
            address: Dataset, split and index of the image: ``fashion_mnist/train/00042``.
            max_bytes: Maximum file size; all files have 1 KB.
        """
        _, part, index = address.split("/")
        return Fetched(png_bytes(self._parts[part][0][int(index)]), address)

    @cached_property
    def _parts(self) -> Parts:
        return load_keras(self._module) if self._path is None else _read(self._path, self._module)


def _read(path: Path, name: str) -> Parts:
    """Read a local copy of a dataset.

    Raises:
        DataError: The copy is missing, damaged, or of another dataset.
    """
    advice = "put the published files there, or fix scrape.keras in params.yaml"
    parts: Parts
    if path.is_dir():
        parts = {part: read_labelled(path, prefix) for part, prefix in _IDX_NAMES.items()}
    else:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                parts = {
                    part: (arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1))
                    for part in _IDX_NAMES
                }
        except Exception as error:  # a damaged file fails in many ways
            raise DataError(f"{path} cannot be read as {name}.npz: {error}", next=advice) from error
    for part, (images, labels) in parts.items():
        if (
            images.dtype != np.uint8
            or images.shape[1:] != (_SIDE, _SIDE)
            or labels.shape != images.shape[:1]
        ):
            raise DataError(
                f"{path} is not {name}: its split '{part}' has images of shape {images.shape} and "
                "labels of shape "
                f"{labels.shape}, expected (n, {_SIDE}, {_SIDE}) and (n,)",
                next=advice,
            )
    return parts


def load_keras(name: str) -> Parts:
    """Load a dataset with Keras, which downloads and caches it.

    Raises:
        DataError: The download failed.
    """
    import keras

    try:
        loaded = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises bare Exception where a download fails
        raise DataError(
            f"keras.datasets.{name} cannot be loaded: {error}",
            next="check the network, or set scrape.keras.path in params.yaml to a local copy",
        ) from error
    return dict(zip(_IDX_NAMES, loaded, strict=True))
