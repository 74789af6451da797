"""Types of the arrays that metrics take and return."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ArrayLike", "Bools", "Floats", "Groups", "Ints", "NDArray"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Ints = NDArray[np.integer]
"""Such as class indices."""

Groups = NDArray[np.intp]
"""Group numbers, from 0."""
