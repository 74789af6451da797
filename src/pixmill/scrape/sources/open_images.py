"""Open Images: the image lists, the labels and the names of labels, as they are published.

Format: storage.googleapis.com/openimages/web/download_v7.html. The image lists have had the same columns since the
second version; the fourth added ``Rotation``, which is not read.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd

from pixmill.core.errors import DataError
from pixmill.scrape.sources.url_lists import read_csv, tidy

_LABELS = ("ImageID", "LabelName", "Confidence", "Source")
_IMAGES = {
    "ImageID": "ImageID",
    "OriginalURL": "image_url",
    "Thumbnail300KURL": "thumbnail_url",
    "OriginalLandingURL": "page_url",
    "Title": "title",
    "License": "licence",
    "Author": "author",
    "OriginalSize": "bytes",
    "OriginalMD5": "md5",
}


def read_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of a label, in small letters, with the label; a header is passed over."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        for row in csv.reader(stream):
            if len(row) == 2 and row[0].startswith("/"):
                yield row[1].strip().casefold(), row[0]


def find_labels(paths: Sequence[Path], labels: Collection[str]) -> pd.DataFrame:
    """Return the images that surely show something, as rows of ``ImageID`` and ``label``.

    Taken are labels with confidence 1, of people or of boxes. What people have looked for and not found (their
    confidence 0) is never taken, whatever another list says.

    Args:
        paths: The lists of labels, or of boxes.
        labels: The labels that count.

    Raises:
        DataError: A list is not what it must be.
    """
    chunks = [pd.DataFrame(columns=list(_LABELS))]
    for path in paths:
        for rows in read_csv(path, _LABELS, needed=3):
            try:
                rows["Confidence"] = pd.to_numeric(rows["Confidence"])
            except ValueError as error:
                raise DataError(f"{path} cannot be read: {error}", next="download the list again") from None
            chunks.append(rows[rows["LabelName"].isin(labels)])
    rows = pd.concat([chunk.astype(object) for chunk in chunks])
    pairs = pd.MultiIndex.from_frame(rows[["ImageID", "LabelName"]], names=["ImageID", "label"])
    absent = pairs[(rows["Confidence"] == 0) & (rows["Source"] != "machine")]
    return pairs[rows["Confidence"] == 1].difference(absent).to_frame(index=False)


def read_images(path: Path, members: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the rows of an image list, each once for every class that it shows.

    Args:
        path: The list.
        members: The images of each class, as rows of ``ImageID`` and ``label``.

    Raises:
        DataError: The list is not what it must be.
    """
    for images in read_csv(path, tuple(_IMAGES), needed=2):
        yield tidy(images.merge(members, on="ImageID").rename(columns=_IMAGES))
