"""The comparisons of an earlier search, which a later one need not repeat.

Whether a view of one image matches another depends on the greys of the two and the params alone.
So the matches among images of an earlier search hold as long as these are present, whatever comes
or goes. Some 30 bytes per image and 24 per match are kept in one file, which the next search
replaces.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.files.writing import remove_temporary, replacing
from pixmill.core.process.progress import announce
from pixmill.core.provenance.results import digest_code
from pixmill.images.likeness.groups import Indices, Similarities
from pixmill.images.likeness.hashing import Greys
from pixmill.images.likeness.similarity import Floats

Digests = npt.NDArray[np.uint64]

_DIGEST_SIZE = 16
_DAMAGES = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What NumPy raises for a file that is missing, cut off or of something else."""


@dataclass(frozen=True)
class Known:
    """Images that were compared with one another, and what was found.

    Args:
        digests: Digest of each image, see :func:`digest_images`, ``uint64`` of shape (n, 2), sorted
            by the first column, whose values are unique.
        radii: Radii of each image's covers, ``float32`` of shape (n, covers).
        matches: Shape (m, 2): rows of an image and of another that one of its views matches.
        similarity: Similarity of each match, ``float64`` of shape (m,).
        directions: Directions that the radii belong to, ``float32`` of shape (d, 1024).
    """

    digests: Digests
    radii: Floats
    matches: Indices
    similarity: Similarities
    directions: Floats

    @classmethod
    def read(cls, path: Path, key: bytes) -> "Known":
        """Return the contents of a file; nothing if it is absent, damaged or of another key."""
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                if arrays["key"].tobytes() != key:
                    return NOTHING
                return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        except _DAMAGES:
            return NOTHING

    def write(self, path: Path, key: bytes) -> None:
        """Replace the file; a failure is only a warning."""
        try:
            remove_temporary(path.parent, f"-{path.name}")
            with replacing(path) as partial:
                np.savez(partial, key=np.frombuffer(key, np.uint8), **vars(self))
        except OSError as error:
            announce(f"warning: {path} cannot be written, so the next search starts anew: {error}")

    def find(self, digests: Digests) -> Indices:
        """Return the row of each image, -1 for unknown ones; of equal images the first is known."""
        rows = np.full(len(digests), -1)
        if not len(self.digests):
            return rows
        unique, first = np.unique(digests[:, 0], return_index=True)
        row = np.searchsorted(self.digests[:, 0], unique)
        row = np.minimum(row, len(self.digests) - 1)
        equal = (self.digests[row] == digests[first]).all(axis=1)
        rows[first[equal]] = row[equal]
        return rows


NOTHING = Known(
    digests=np.empty((0, 2), np.uint64),
    radii=np.empty((0, 0), np.float32),
    matches=np.empty((0, 2), np.int64),
    similarity=np.empty(0),
    directions=np.empty((0, 0), np.float32),
)
"""No earlier search."""


def key_of(*options: object) -> bytes:
    """Return the digest of all but the images that matches depend on: the code, and the options."""
    content = f"{digest_code('likeness')} {options}"
    return blake3(content.encode()).digest(_DIGEST_SIZE)


def digest_images(hashes: npt.NDArray[np.uint64], greys: Greys, places: Indices) -> Digests:
    """Return a digest of each image's grey and hash, ``uint64`` of shape (m, 2)."""
    digests = []
    for place in places.tolist():
        content = greys[place].tobytes() + int(hashes[place]).to_bytes(8, "little")
        digests.append(blake3(content).digest(_DIGEST_SIZE))
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)
