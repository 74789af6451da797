"""Import labelled images: find classes and splits in folders, and copy them into a project."""

import re
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.names import fold, to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of

_SPLIT_WORDS = {
    "train": {"train", "training"},
    "val": {"val", "valid", "validation", "dev"},
    "test": {"test", "testing"},
}
"""Words in folder names that name a split, such as in ``seg_train``."""

MAX_NAMED = 5
"""Files or folders listed in a message."""

MAX_CLASSES = 20
"""Classes listed per split."""


@dataclass(frozen=True)
class LabelledFolder:
    """Labelled images of a folder.

    Args:
        images: Files by target folder below ``data/``, ``<class>`` or ``<split>/<class>``, and by target name.
        classes: Class names, sorted.
        layout: ``fixed`` if the folder has splits, else ``classes``; a value of ``scrape.folder.layout``.
        remarks: Sentences on files left out and on assumptions.
    """

    images: Mapping[str, Mapping[str, Path]]
    classes: tuple[str, ...]
    layout: str
    remarks: tuple[str, ...]

    def summary(self) -> str:
        """Return the number of images by split and class, such as ``5 images: 2 of cat, 3 of dog``."""
        parts: dict[str, list[str]] = {}
        for place, images in sorted(self.images.items()):
            split, _, label = place.rpartition("/")
            parts.setdefault(split, []).append(f"{len(images):,} of {label}")
        texts = [f"{split}: " * bool(split) + first_of(counts, MAX_CLASSES) for split, counts in parts.items()]
        return f"{count(sum(map(len, self.images.values())), 'image')}: {'; '.join(texts)}"

    def lies_in(self, data: Path) -> bool:
        """Return whether all images are at their target path in ``data``."""
        return all(
            path == data / place / name for place, images in self.images.items() for name, path in images.items()
        )


def find_images(folder: Path, classes: Sequence[str] = ()) -> LabelledFolder:
    """Find images in class folders, or in the class folders of splits.

    A single wrapping folder, common in archives, is entered. Images in subfolders of a class belong to it.

    Args:
        folder: Folder to search.
        classes: Classes to take; default: all.

    Raises:
        DataError: There are no class folders, a class is missing, or a class has no image.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"{folder} {problem}",
            next="unpack an archive first; --from takes an existing folder, relative to the current one",
        )
    top = _innermost(folder)
    splits, remarks = _splits(top)
    listed = {
        (f"{split}/" if split else "", to_nfc(path.name)): path
        for split, base in splits.items()
        for path in _folders(base)
    }
    wanted = _choose_classes(top, {label for _, label in listed}, classes)
    files = [
        (f"{split}{label}", name, path)
        for (split, label), base in listed.items()
        if label in wanted
        for name, path in files_below(base)
    ]
    images: dict[str, dict[str, Path]] = {}
    reasons: list[str] = []
    others = []
    for place, name, path in track(files, "Look at files", len(files), unit="file"):
        reason = reason_of(path)
        if reason is None or reason == "no_decoder":
            taken = images.setdefault(place, {})
            taken[_free_name(name, taken)] = path
        elif reason in ("unknown", "not_a_file"):
            others.append(path.relative_to(top).as_posix())
        else:
            reasons.append(reason)
    explained = explain(reasons)
    if empty := [label for label in wanted if not any(place.rpartition("/")[2] == label for place in images)]:
        rest = [label for label in wanted if label not in empty]
        problem = f"no images in the folders of {first_of(empty, MAX_CLASSES)}"
        raise DataError(
            "\n".join([problem, *(what for _, what, _ in explained)]),
            next=("; ".join(dict.fromkeys(fix for *_, fix in explained)) or "put images there")
            + (f", or leave them out: --classes '{','.join(rest)}'" if 1 < len(rest) <= MAX_CLASSES else ""),
        )
    remarks += [f"{what}; {fix}" for _, what, fix in explained]
    if others:
        skipped = count(len(others), "file is not an image and was", "files are not images and were")
        remarks.append(f"{skipped} left out: {first_of(others, MAX_NAMED)}")
    return LabelledFolder(images, tuple(wanted), "fixed" if None not in splits else "classes", tuple(remarks))


def _choose_classes(top: Path, found: Set[str], classes: Sequence[str]) -> list[str]:
    """Return the requested classes in their order; refuse fewer than two."""
    labels = sorted(found)
    wanted = [to_nfc(name) for name in classes] or labels
    if missing := [name for name in wanted if name not in found]:
        raise DataError(
            f"{top} has no folders for the classes {first_of(missing, MAX_NAMED)}; "
            f"it has {first_of(labels, MAX_CLASSES)}",
            next="correct --classes",
        )
    if len(wanted) < 2:
        has = f"only the class folder {wanted[0]}" if wanted else "no class folders"
        raise DataError(
            f"{top} has {has}; a classifier needs at least two classes",
            next=f"put the images into {top}/<class>/, and repeat the command",
        )
    return wanted


def copy_images(found: LabelledFolder, data: Path, *, scratch: Path) -> None:
    """Copy images into ``data/``, which appears when all are copied.

    Args:
        found: Images to copy.
        data: Folder that is absent or empty.
        scratch: Temporary folder on the same disk.
    """
    new = fresh_folder(scratch)
    pairs = [(path, new / place / name) for place, images in found.images.items() for name, path in images.items()]
    try:
        for place in found.images:
            (new / place).mkdir(parents=True)
        for path, copy in track(pairs, "Copy", len(pairs)):
            shutil.copyfile(path, copy)
    except OSError:
        shutil.rmtree(new)  # to free a full disk
        raise
    if data.exists():
        shutil.rmtree(data)
    new.rename(data)


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != "__MACOSX"
    )


def _innermost(folder: Path) -> Path:
    """Return the innermost folder of a chain of folders that only wrap another folder of folders."""
    while (
        len(inner := _folders(folder)) == 1
        and _folders(inner[0])
        and not any(reason_of(path) in (None, "no_decoder") for path in folder.iterdir())
    ):
        folder = inner[0]
    return folder


def _splits(top: Path) -> tuple[dict[str | None, Path], list[str]]:
    """Return the folders of the splits, or ``{None: top}`` without splits, and remarks."""
    found: dict[str | None, Path] = {}
    for split, words in _SPLIT_WORDS.items():
        named = [path for path in _folders(top) if words & set(re.split(r"[\W_]+", fold(path.name)))]
        inner = [path for path in map(_innermost, named) if len(_folders(path)) > 1]
        if len(inner) > 1:
            raise DataError(
                f"{top} has several folders for the split {split}: "
                f"{first_of([path.name for path in named], MAX_NAMED)}",
                next=f"keep only one of them, named {split}",
            )
        if inner:
            found[split] = inner[0]
    if "train" not in found or len(found) == 1:
        return {None: top}, []
    remarks = []
    if "test" not in found:
        found["test"] = found.pop("val")
        remarks.append(f"there is no test split: {found['test'].name} is used as test; val is taken from train")
    used = {path.relative_to(top).parts[0] for path in found.values()}
    if others := [path.name for path in _folders(top) if path.name not in used]:
        remarks.append(
            f"these folders are not splits and were left out: {first_of(others, MAX_NAMED)}; "
            "for images without a label see evaluate.unlabelled"
        )
    return found, remarks


def _free_name(name: str, taken: Mapping[str, Path]) -> str:
    """Return a unique file name for a class folder; subfolders become part of the name."""
    flat = free = name.replace("/", "-")
    number = 1
    while free in taken:
        number += 1
        free = f"{Path(flat).stem}-{number}{Path(flat).suffix}"
    return free
