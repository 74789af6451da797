"""Name the annotation files beside images from which no labels are read, with a way out."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pixmill.core.words import first_of

_HEAD_BYTES = 1 << 16
"""Bytes of a file in which signs of labels are searched for."""

_MAX_NAMED = 3

_NO_LABELS = re.compile(
    r"dataset_infos?\.json|dataset-metadata\.json|croissant\.json|.*\.aux\.xml|readme.*",
    re.IGNORECASE,
)
"""Names of files that describe others."""

_KEY = rb"(?:label|class|categor|annotation|shape|object|tag|species|flag)"
_IMAGE = rb"\.(?:jpe?g|png|bmp|tiff?|webp|heic)\b"
_ANY = re.compile(b"")
_JSON = re.compile(rb"\"%b\w*\"\s*:|\"[^\":]+%b" % (_KEY, _IMAGE), re.IGNORECASE)
_TEXT = re.compile(rb"\A(?:\d+(?: -?[\d.]++){4,}\s|[^\n\"':;<>]+%b)" % _IMAGE, re.IGNORECASE)
_COLUMN = re.compile(rb"\A[^\n]*\b%b" % _KEY, re.IGNORECASE)

_SIGNS = {
    r"\.(?:jsonl?|ndjson)": _JSON,
    r"\.(?:txt|lst)": _TEXT,  # boxes of YOLO, lists of images
    r"\.[ct]sv": _COLUMN,
    r"\.(?:xlsx?|xlsb|ods|numbers|xml|mat|npz|npy|pkl|h5|hdf5|tfrecord)": _ANY,
}
"""What the beginning of a file with labels has, by its ending."""

_CSV = "save its images and labels as CSV with the columns image and label, in the same folder"
_ADVICE = {
    ".json": f"export COCO or CVAT for images 1.1 instead, or {_CSV}",
    ".xml": f"export CVAT for images 1.1 or COCO instead, or {_CSV}",
    ".csv": "name its columns: --columns image=…,label=…, or correct the names of images",
}


def may_label(path: Path) -> bool:
    """Return whether a file that is no image may have labels, by its name and its beginning."""
    suffix = path.suffix.lower()
    signs = next((_SIGNS[ending] for ending in _SIGNS if re.fullmatch(ending, suffix)), None)
    if signs is None or _NO_LABELS.fullmatch(path.name) or not path.is_file():
        return False
    with path.open("rb") as stream:
        return signs.search(stream.read(_HEAD_BYTES)) is not None


def name_unread(paths: Iterable[Path], top: Path) -> list[str]:
    """Return a line for each kind of files that may have labels, of which none is read.

    Args:
        paths: Files.
        top: Folder to which the printed names are relative.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    for path in filter(may_label, paths):
        kinds[path.suffix.lower()].append(path.relative_to(top).as_posix())
    return [
        f"no labels are read from {first_of(names, _MAX_NAMED)}; {way_out(kind)}"
        for kind, names in kinds.items()
    ]


def way_out(suffix: str) -> str:
    """Return what to do with labels in a file of such an ending that is not read."""
    return _ADVICE.get(suffix.lower(), _CSV)
