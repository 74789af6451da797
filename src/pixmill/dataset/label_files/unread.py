"""Name the annotation files beside images from which no labels are read, with a way out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    r"\.[ct]sv": rb"\A(?=[^\n]*\b(id|image|img|file|photo))[^\n]*\b(label|class|categor|species|tag|file_attributes)",
    r"\.(xlsx?|xlsb|ods|numbers|xml|mat|npz|npy|pkl|h5|hdf5|tfrecord)": b"",
}
"""What the beginning of a file with labels has, by its ending."""

WAY_OUT = (
    "put the file next to the images, or name its columns: --columns image=…,label=…, or export "
    "again, as COCO, CVAT for images 1.1, or CSV with the columns image and label"
)
"""What to do with labels in a file that is not read."""


def may_label(path: Path) -> bool:
    """Return whether a file that is no image may have labels, by its name and its beginning."""
    for ending, sign in _SIGNS.items():
        is_kind = re.fullmatch(ending, path.suffix, re.IGNORECASE) and path.is_file()
        if is_kind and not NO_LABELS.fullmatch(path.name):
            with suppress(OSError), path.open("rb") as stream:
                return re.search(sign, stream.read(_HEAD_BYTES), re.IGNORECASE) is not None
    return False


def name_unread(paths: Iterable[Path], top: Path, reasons: Mapping[Path, str]) -> list[str]:
    """Return a line for each kind of files with labels that are not read.

    Args:
        paths: The files.
        top: Folder to which the printed names are relative.
        reasons: Why no labels are read, for files that were tried.
    """
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        kinds[path.suffix.lower()].append(path)
    lines = []
    for files in kinds.values():
        names = first_of([path.relative_to(top).as_posix() for path in files], 3)
        why = [f": {reasons[path]}" for path in files if path in reasons] or [""]
        lines.append(f"no labels are read from {names}{why[0]}; if they have some: {WAY_OUT}")
    return lines
