"""Fit the novelty: the principal directions of the training images' features."""

import numpy as np

from pixmill.models.novelty import Novelty
from pixmill.models.scaling import Features, Scaling, principal_directions

SAMPLE = 4096
"""Maximum number of images that it is fitted to: of ten times as many, the directions are hardly different."""

_DIRECTIONS = 64
"""With 16 or 32, fewer held-out classes were found; with 128, no more."""

_MOST_VALUES = 2**17
"""Maximum size of the directions: half a megabyte."""


def fit_novelty(features: Features) -> Novelty | None:
    """Return what tells how unlike these images another one is; ``None`` if there are too few images, or no directions.

    Args:
        features: Shape (n, width), at most :data:`SAMPLE` rows.

    Raises:
        TrainError: A feature is not finite.
    """
    from threadpoolctl import threadpool_limits

    count, width = features.shape
    most = min(_DIRECTIONS, _MOST_VALUES // width, width - 1, count - 1)
    if most < 1:
        return None
    scaling = Scaling.of(features, several=True)
    # One thread: the result must not depend on their number.
    with threadpool_limits(1):
        directions = principal_directions(features, scaling, most)
    if not directions.size:
        return None
    parts = (scaling.mean, 1 / scaling.deviation, directions)
    return Novelty(*(part.astype(np.float32) for part in parts))
