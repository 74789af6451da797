"""Features that need no network."""

import numpy as np
import pytest

from pixmill.review.grid.images import ImageTable


@pytest.fixture
def features(monkeypatch):
    """TensorFlow converts the backbone, which takes seconds."""

    def read(self, rows):
        values = [np.random.default_rng(row).normal(size=8) for row in rows]
        return np.array(values, np.float16).reshape(-1, 8)

    monkeypatch.setattr(ImageTable, "_compute", lambda self: self._mark_featured(range(len(self))))
    monkeypatch.setattr(ImageTable, "features", read)
