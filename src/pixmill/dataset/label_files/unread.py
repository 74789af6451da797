"""Name the annotation files beside images from which no labels are read, with a way out."""

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pixmill.core.words import first_of

_HEAD_BYTES = 1 << 16
"""Bytes of a file in which signs of labels are searched for."""

NO_LABELS = re.compile(
    r"dataset_infos?\.json|dataset-metadata\.json|croissant\.json|.*\.aux\.xml|readme.*"
    r"|.*submi(t|ssion).*",
    re.IGNORECASE,
)
"""Names of files that describe others, or show how to hand in results."""

_IMAGE = rb"\.(jpe?g|png|bmp|tiff?|webp|heic)\b"

_SIGNS = {
    r"\.(jsonl?|ndjson)": rb"\"(annotations|shapes|labels)\"\s*:|\"[^\":]+" + _IMAGE,
    # boxes of YOLO, lists of images
    r"\.(txt|lst)": rb"\A(\d+( -?[\d.]++){4,}\s|[^\s\"':;<>]+%b)" % _IMAGE,
    r"\.[ct]sv": rb"\A(?=[^\n]*\b(id|image|img|file|photo))[^\n]*\b(label|class|categor|species|tag)",
    r"\.(xlsx?|xlsb|ods|numbers|xml|mat|npz|npy|pkl|h5|hdf5|tfrecord)": b"",
}
"""What the beginning of a file with labels has, by its ending."""

_TABLE = "name its columns: --columns image=…,label=…, or correct the names of images"
_OTHERS = (
    "export COCO or CVAT for images 1.1, or save images and labels as CSV with the columns image "
    "and label, in the same folder"
)


def may_label(path: Path) -> bool:
    """Return whether a file that is no image may have labels, by its name and its beginning."""
    for ending, sign in _SIGNS.items():
        is_kind = re.fullmatch(ending, path.suffix, re.IGNORECASE) and path.is_file()
        if is_kind and not NO_LABELS.fullmatch(path.name):
            with suppress(OSError), path.open("rb") as stream:
                return re.search(sign, stream.read(_HEAD_BYTES), re.IGNORECASE) is not None
    return False


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
        f"no labels are read from {first_of(names, 3)}; if they have some: {way_out(kind)}"
        for kind, names in kinds.items()
    ]


def way_out(suffix: str) -> str:
    """Return what to do with labels in a file of such an ending that is not read."""
    return _TABLE if suffix.lower() in (".csv", ".tsv") else _OTHERS
