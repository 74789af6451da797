"""Whether validate and split will find enough images of each class in ``data/``; a salt that divides them better."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from pixmill.core.params import Params
from pixmill.core.words import count, first_of
from pixmill.images import UndecodableError, header_size
from pixmill.scrape.sources.folder import FolderSource
from pixmill.use.issue import Issue
from pixmill.web.fetch import Fetched

_FILES = 5_000
_BYTES = 1 << 30
"""More files, or larger ones, are counted but not read: their classes are divided well enough, or split says so."""

_NAMED = 20
"""Classes that a message names."""

_Image = tuple[str, str, str, None, str, str | None]
_COLUMNS = ["id", "label", "source", "page_url", "image_url", "given_split"]


def find_small_classes(root: Path, params: Params, source: FolderSource, labels: Sequence[str]) -> Iterator[Issue]:
    """Yield where classes have too few images for validate or split; where nothing stops, a better salt.

    Every different image counts, whether it decodes or not, and so does every image that a decision relabels: there may
    be fewer in the end, but no more.

    Args:
        root: The project's folder.
        params: Those of the project.
        source: Its ``data/``.
        labels: Classes that have images there, and from nowhere else.
    """
    if not find_spec("pandas"):
        return  # An installation without the pipeline.
    # pandas takes longer to import than everything before it.
    from pixmill.validate.decisions import read_decisions

    relabelled = [decision.label for decision in read_decisions(root / "review.csv", params.classes)]
    images, hashed = _find_images(root, params, source, labels)
    sizes = Counter([*(image[1] for image in images), *relabelled])
    least, limits = params.validate_.min_per_class, params.validate_.class_balance
    few = [label for label in labels if sizes[label] < least.count and least.severity == "critical"]
    if few:
        more = [f"{least.count - sizes[label]:,} of '{label}'" for label in few]
        bound = min(sizes[label] for label in few)
        yield Issue(
            f"validate stops at classes of fewer than {count(least.count, 'image')} (validate.min_per_class.count): "
            + first_of([f"'{label}' has {sizes[label]:,}" for label in few], _NAMED),
            f"add images (at least {first_of(more, _NAMED)}), or remove the class from data/ and from classes"
            + (f", or set validate.min_per_class.count to {bound} in params.yaml" if bound else ""),
            stops=True,
        )
    if (most := params.scrape.per_class) is not None:
        sizes = Counter({label: min(size, most) for label, size in sizes.items()})
    largest = max(labels, key=lambda label: sizes[label], default="")
    if rare := [label for label in labels if sizes[label] < limits.critical * sizes[largest]]:
        bound = min(int(sizes[label] / limits.critical) for label in rare)
        # No certain stop: it may drop images of the largest class.
        yield Issue(
            "validate stops if it keeps all these images, since classes have less than "
            f"{limits.critical:g} of the images of the largest (validate.class_balance.critical): "
            f"'{largest}' has {sizes[largest]:,}, "
            + first_of([f"'{label}' {sizes[label]:,}" for label in rare], _NAMED),
            "add images of the small classes"
            + (f", or set scrape.per_class to {bound} in params.yaml" if bound else ""),
        )
    # Which of the files are taken is otherwise known after scrape.
    if hashed and labels and not (few or most or params.scrape.per_query):
        yield from _divide(images, params, labels, [label for label in labels if label not in relabelled])


def _find_images(root: Path, params: Params, source: FolderSource, labels: Sequence[str]) -> tuple[list[_Image], bool]:
    """Return the different images with the columns above, and whether they are hashed; else each file counts."""
    files = [(label, part, address) for label in labels for part, address in source.files(label)]
    sizes = (path.stat().st_size for *_, address in files if (path := root / address).is_file())
    hashed = len(files) <= _FILES and sum(sizes) <= _BYTES
    images: dict[str, _Image] = {}
    for label, part, address in files:
        name = address
        if hashed:
            file = source.read(address, max_bytes=params.scrape.max_bytes)
            if not isinstance(file, Fetched) or not _is_image(file.content):
                continue
            name = hashlib.sha256(file.content).hexdigest()
        images.setdefault(name, (name, label, "folder", None, address, part))
    return [*images.values()], hashed


def _is_image(content: bytes) -> bool:
    """Tell whether a file's header is that of an image; decoding it all would take too long here."""
    try:
        header_size(content)
    except (UndecodableError, MemoryError):
        return False
    return True


def _divide(images: Sequence[_Image], params: Params, labels: Sequence[str], certain: Sequence[str]) -> Iterator[Issue]:
    """Yield which splits will have no image of a class, of those that decisions bring none, and a better salt."""
    import pandas as pd

    from pixmill.images.parts import PARTS
    from pixmill.split import suggest_salt
    from pixmill.split.assignment import keep_given, places, sides_of
    from pixmill.split.salts import given_sides, names_of

    table, split = pd.DataFrame(images, columns=_COLUMNS, dtype=object), params.split
    at = places(names_of(table, split), split.salt)
    sides = keep_given(sides_of(at, val=split.val, test=split.test), given_sides(table), at, val=split.val)
    filled = {(PARTS[side], label) for side, label in zip(sides, table["label"], strict=True)}
    empty = [f"{part} gets no image of '{label}'" for part in PARTS for label in certain if (part, label) not in filled]
    salt = None
    if set(labels) == set(params.classes) and (empty or params.scrape.folder.layout != "fixed"):
        salt = suggest_salt(table, split, classes=params.classes)
    message, _, following = (salt or "").partition("\nNext: ")
    if empty:
        advice = "add images of these classes, or change split.salt, split.val or split.test in params.yaml"
        found = [f"split stops where a split lacks a class: {first_of(empty, _NAMED)}", *filter(None, [message])]
        yield Issue(". ".join(found), following or advice, stops=True)
    elif salt:
        yield Issue(message, following)
