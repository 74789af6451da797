"""Random labels and probabilities for property tests, including classes without images."""

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Part = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


@st.composite
def parts(draw: st.DrawFn, *, max_classes: int = 5) -> Part:
    """Draw class indices and probabilities of up to 40 images."""
    classes = draw(st.integers(2, max_classes))
    images = draw(st.integers(1, 40))
    actual = draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images))
    weight = st.lists(st.integers(0, 20), min_size=classes, max_size=classes).filter(any)
    weights = np.array(draw(st.lists(weight, min_size=images, max_size=images)), dtype=np.float64)
    return np.array(actual), weights / weights.sum(axis=1, keepdims=True)
