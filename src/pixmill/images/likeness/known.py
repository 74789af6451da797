"""What an earlier search found, so that a later one need not repeat it.

Whether a view of an image matches another image depends on their greys and the params alone.
So the matches among images of an earlier search hold while these are present, whatever comes or
goes. One file keeps some 25 bytes per image and 24 per match; the next search replaces it.
"""

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.files.writing import remove_temporary, replacing
from pixmill.core.provenance.results import digest_code
from pixmill.images.likeness.groups import Indices, Match, Similarities
from pixmill.images.likeness.hashing import Greys
from pixmill.images.likeness.similarity import Floats

_DAMAGES = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What NumPy raises for a file that is missing, truncated, damaged or foreign."""


@dataclass(frozen=True)
class Known:
    """Images that were compared with one another, and what was found.

    Args:
        digests: See :func:`digest_images`.
        radii: Radius of the ball of each image's views, ``float32`` of shape (n,).
        matches: Shape (2, m): rows of images, and of others that one of their views matches.
        similarity: Similarity of each match, ``float64`` of shape (m,).
        basis: Directions that the radii belong to, ``float32`` of shape (1024, d).
    """

    digests: npt.NDArray[np.void]
    radii: Floats
    matches: Indices
    similarity: Similarities
    basis: Floats

    @classmethod
    def read(cls, path: Path, key: bytes) -> "Known":
        """Return the contents of a file; nothing if it is absent, damaged or of another key."""
        with contextlib.suppress(*_DAMAGES), path.open("rb") as file, np.load(file) as arrays:
            if arrays["key"].tobytes() == key:
                return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        return NOTHING

    def write(self, path: Path, key: bytes) -> None:
        """Replace the file."""
        remove_temporary(path.parent, f"-{path.name}")
        with replacing(path) as partial:
            np.savez(partial, key=np.frombuffer(key, np.uint8), **vars(self))

    def find(self, digests: npt.NDArray[np.void]) -> Indices:
        """Return the row of each image, -1 for unknown ones; of equal images the first is known."""
        rows = {digest: row for row, digest in enumerate(self.digests.tolist())}
        return np.array([rows.pop(digest, -1) for digest in digests.tolist()], np.int64)

    def recall(self, places: Indices, *, without: Indices) -> Iterator[Match]:
        """Yield the matches of images in the order of their places.

        Args:
            places: Place of each image, -1 for those that are absent.
            without: Places to leave out.
        """
        one, other = places[self.matches]
        present = np.flatnonzero((one >= 0) & (other >= 0) & ~np.isin(one, without))
        order = present[np.lexsort((other[present], one[present]))]
        found, starts = np.unique(one[order], return_index=True)
        for place, some in zip(found.tolist(), np.split(order, starts[1:]), strict=False):
            yield place, other[some], self.similarity[some]


_NONE = np.empty((0, 0), np.float32)
NOTHING = Known(
    np.empty(0, "V16"), _NONE.reshape(0), np.empty((2, 0), np.int64), np.empty(0), _NONE
)
"""No earlier search."""


def key_of(*options: object) -> bytes:
    """Return the digest of all but the images that matches depend on: the code and the options."""
    return blake3(f"{digest_code('likeness')} {options}".encode()).digest()


def digest_images(
    hashes: npt.NDArray[np.uint64], greys: Greys, places: Indices
) -> npt.NDArray[np.void]:
    """Return the digests of images' greys and hashes, 16 bytes each."""
    digests = [
        blake3(greys[place].tobytes() + hashes[place].tobytes()).digest(16)
        for place in places.tolist()
    ]
    return np.frombuffer(b"".join(digests), "V16")
