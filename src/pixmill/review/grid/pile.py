"""The images of the grid: those without a label, and those of the last run, with the features of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.review.preview import ImageFile
from pixmill.review.review_tables import ReviewTables

Half = npt.NDArray[np.float16]


class Pile:
    """All images that the grid can show, by row; rows never change their number, new files are appended.

    The first rows are the images that validate kept; then come images of ``data/`` that no run has seen: those of class
    folders, and those of ``evaluate.unlabelled``. Within a ``with`` block a thread hashes the files, then computes
    features.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        tables: Tables of the last run. Default: none has finished.

    Attributes:
        names: File of each row, relative to the project folder; changes when the image is moved.
        ids: Id of each row, the sha256 of its bytes; ``None`` until it is hashed.
        labels: Label of each row; ``None`` without one, :data:`DROPPED` if it was dropped, is gone, or is a copy of
            another row.
        queries: Query of the scrape that found each row; ``None`` if there was none.
        featured: Whether each row has features.
        version: Grows with each change of labels or rows.
    """

    names: list[str]
    ids: list[str | None]
    labels: list[str | None]
    queries: list[str | None]
    featured: npt.NDArray[np.bool_]
    version: int

    def __init__(self, workspace: Workspace, params: Params, tables: ReviewTables | None = None) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def progress(self) -> dict[str, Any]:
        """Return ``files``, ``hashed``, ``featured`` and ``broken`` (numbers), and ``problem`` (text or ``None``)."""
        raise NotImplementedError

    def features(self, rows: Sequence[int]) -> Half:
        """Return the features of rows, shape (n, width); NaN for those without features."""
        raise NotImplementedError

    def image(self, row: int) -> ImageFile:
        """Return the location of an image, for previews; hashed now unless its id is known.

        Raises:
            DataError: The file is missing or cannot be read.
        """
        raise NotImplementedError
