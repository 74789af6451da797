"""What an earlier search found, so that a later one need not repeat it.

Whether a view of an image matches another image depends on their greys and the params alone.
So the matches among images of an earlier search hold while these are present, whatever comes or
goes. One file keeps some 25 bytes per image and 24 per match; the next search replaces it. It does
not keep repeated images (see :class:`.groups.VerifiedPairs`), which each search compares again.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.files.writing import remove_temporary, replacing
from pixmill.core.provenance.results import digest_code
from pixmill.images.likeness.groups import Indices, Match, Similarities, by_key
from pixmill.images.likeness.hashing import Greys
from pixmill.images.likeness.similarity import Floats

Digests = npt.NDArray[np.void]


@dataclass(frozen=True)
class Known:
    """Images that were compared with one another, and what was found.

    Args:
        radii: Radius of the ball of each image's views, ``float32`` of shape (n,); not a number for
            other images.
        matches: Shape (2, m): places of images, and of others that one of their views matches.
        similarity: Similarity of each match, ``float64`` of shape (m,).
    """

    radii: Floats
    matches: Indices
    similarity: Similarities

    @classmethod
    def nothing(cls, count: int) -> Self:
        """Return that none of some images is known."""
        radii = np.full(count, np.nan, np.float32)
        return cls(radii, np.empty((2, 0), np.int64), np.empty(0))

    @classmethod
    def read(cls, path: Path, digests: Digests, places: Indices) -> Self:
        """Return what a file says of images; nothing if it is absent or damaged.

        Args:
            path: The file.
            digests: See :func:`digest_images`.
            places: Places of the images; of equal images one is known.
        """
        place_of = dict(zip(digests[places].tolist(), places.tolist(), strict=True))
        # A damaged or foreign file can make NumPy raise anything.
        with contextlib.suppress(Exception), path.open("rb") as file, np.load(file) as stored:
            place = np.array([place_of.pop(each, -1) for each in stored["digests"].tolist()], int)
            radii = np.full(len(digests), np.nan, np.float32)
            radii[place[place >= 0]] = stored["radii"][place >= 0]
            matches = place[stored["matches"]]
            present = (matches >= 0).all(axis=0)
            return cls(radii, matches[:, present], stored["similarity"][present])
        return cls.nothing(len(digests))

    def write(self, path: Path, digests: Digests, kept: Indices) -> None:
        """Replace the file.

        Args:
            path: The file.
            digests: See :func:`digest_images`.
            kept: Sorted places of the images of which all matches are known.
        """
        remove_temporary(path.parent, f"-{path.name}")
        with replacing(path) as partial:
            np.savez(
                partial,
                digests=digests[kept],
                radii=self.radii[kept],
                matches=np.searchsorted(kept, self.matches),
                similarity=self.similarity,
            )

    def recall(self, *, without: Indices) -> Iterator[Match]:
        """Yield the matches of images in the order of their places.

        Args:
            without: Places to leave out.
        """
        one, other = self.matches
        wanted = np.flatnonzero(~np.isin(one, without))
        order = wanted[np.lexsort((other[wanted], one[wanted]))]
        for place, some in by_key(one[order], order):
            yield place, other[some], self.similarity[some]


def digest_images(greys: Greys, *options: object) -> Digests:
    """Return digests of all that the matches of each image depend on, 16 bytes each.

    Args:
        greys: Small greys, of shape (n, 32, 32).
        options: Options of the search.
    """
    key = blake3(f"{digest_code('likeness')} {options}".encode()).digest()
    digests = [blake3(grey.tobytes(), key=key).digest(16) for grey in greys]
    return np.frombuffer(b"".join(digests), "V16")
