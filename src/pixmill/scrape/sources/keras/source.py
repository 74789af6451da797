"""The source ``keras``: the pictures of a well-known data set, in the parts that it was published in."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pixmill.errors import DataError
from pixmill.fetch import Fetched, Refused
from pixmill.images.png import png_bytes
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.keras.copy import Part, Parts, read_copy
from pixmill.scrape.sources.keras.data_set import DATA_SETS, DataSet
from pixmill.scrape.sources.source import Access, Kind

__all__ = ["KerasSource"]

_ADDRESS = re.compile(r"(?P<name>\w+)/(?P<part>train|test)/(?P<place>\d{1,6})")


class KerasSource:
    """Give the pictures of a data set as PNG files, whose bytes depend on nothing but their pixels.

    The data set is held in memory whole: 55 MB, or 185 MB for CIFAR-10.

    Args:
        data_set: The name of its module in ``keras.datasets``.
        path: A copy of it (see :func:`~pixmill.scrape.sources.keras.copy.read_copy`); without one, Keras downloads it,
            or takes what it has downloaded before.
    """

    name = "keras"
    kind: Kind = "local"

    def __init__(self, data_set: str, path: Path | None = None) -> None:
        self._data_set = DATA_SETS[data_set]
        self._path = path
        self._lock = threading.Lock()
        self._loaded: Parts | None = None

    def fingerprint(self) -> str:
        """Return nothing: a data set is read anew each time."""
        return ""

    def labels(self) -> list[str]:
        """Return nothing: a class of the data set that nobody declared is one that nobody wants."""
        return []

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a query for each text: the name or the index of a class of the data set."""
        address = f"keras.datasets.{self._data_set.name}"
        return [Query(label, text, address) for text in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (nobody need be asked)
        """Yield the pictures of a class: those to train with, then those to test with, in the order of the data set.

        Raises:
            DataError: The data set cannot be had.
            SearchFailed: It has no such class.
        """
        data_set = self._data_set
        index = data_set.index(query.text or query.label)
        if index is None:
            raise SearchFailed(
                "no_results",
                f"{query.address} has no class '{query.text}'; it has {', '.join(data_set.classes)}: say in "
                f"scrape.queries.{query.label} which of them is meant",
            )
        rank = 0
        for part, (_, labels) in self._parts().items():
            for place in np.flatnonzero(labels == index):
                yield Candidate(
                    query.label,
                    query.text,
                    rank,
                    f"{data_set.name}/{part}/{place:05}",
                    page_url=data_set.page_url,
                    title=data_set.classes[index],
                    width=data_set.shape[1],
                    height=data_set.shape[0],
                    licence=data_set.licence,
                    author=data_set.author,
                    given_split=part,
                )
                rank += 1
        if rank == 0:
            raise SearchFailed("no_results", f"{query.address} holds no picture of '{query.text}'")

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:
        """Return a picture as a PNG file.

        Args:
            address: The data set, the part and the place of the picture in it: ``fashion_mnist/train/00042``.
            max_bytes: The largest file that is returned.
        """
        named = _ADDRESS.fullmatch(address)
        part = self._parts().get(named["part"]) if named and named["name"] == self._data_set.name else None
        if named is None or part is None or int(named["place"]) >= len(part.pixels):
            return Refused("unreadable", f"{self._data_set.name} has no such picture")
        content = png_bytes(part.pixels[int(named["place"])])
        return (
            Refused("too_large", f"more than {max_bytes} bytes")
            if len(content) > max_bytes
            else Fetched(content, address)
        )

    def _parts(self) -> Parts:
        with self._lock:
            if self._loaded is None:
                path = self._path
                self._loaded = _download(self._data_set) if path is None else read_copy(path, self._data_set)
            return self._loaded


def _download(data_set: DataSet) -> Parts:
    import keras

    try:
        loaded = getattr(keras.datasets, data_set.name).load_data()
    except Exception as error:  # Keras raises bare Exception where a download fails
        raise DataError(
            f"keras.datasets.{data_set.name} cannot be loaded: {error}",
            next="look at the network, or give the path of a copy as scrape.keras.path in params.yaml",
        ) from error
    return {
        name: Part(pixels, labels.reshape(-1)) for name, (pixels, labels) in zip(("train", "test"), loaded, strict=True)
    }
