"""A perceptual hash: 64 bits that change little when a picture is rescaled, recompressed or brightened."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.validate.greys import SIDE

__all__ = ["perceptual_hash", "perceptual_hashes"]

_LOW = 8
"""Frequencies in each direction that give a bit each: 8 x 8 = 64."""

_FREQUENCIES, _PLACES = np.arange(_LOW)[:, None], np.arange(SIDE)[None, :]
_COSINES: npt.NDArray[np.float64] = np.rint(2**14 * np.cos(np.pi * _FREQUENCIES * (2 * _PLACES + 1) / (2 * SIDE)))
"""The first rows of the DCT-II in whole numbers: no sum of theirs exceeds the 53 bits that floating point holds.

Symmetric pictures have coefficients that are exactly zero, and rounded sums would leave the sign of such a bit to the
processor.
"""


def perceptual_hash(grey: npt.NDArray[np.uint8]) -> int:
    """Return the 64-bit hash of a small grey picture.

    The lowest 8 x 8 frequencies of its discrete cosine transform, each a bit: above the median or not. Source: C.
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1.

    Args:
        grey: ``uint8`` of shape (32, 32).

    Returns:
        A whole number below 2**64; the first bit is the constant term's.
    """
    return int(perceptual_hashes(grey[None])[0])


def perceptual_hashes(greys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hashes of small grey pictures.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Returns:
        Of shape (n,).
    """
    low = (_COSINES @ greys.astype(np.float64) @ _COSINES.T).reshape(len(greys), _LOW**2)
    ordered = np.sort(low, axis=1)
    twice_the_median = ordered[:, 31] + ordered[:, 32]
    bits = np.packbits(2 * low > twice_the_median[:, None], axis=1)
    return bits.view(">u8")[:, 0].astype(np.uint64)
