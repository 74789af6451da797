"""Whether validate and split will find enough images of each class in ``data/``."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
"""More files, or larger ones, are counted but not read."""

_NAMED = 20
"""Classes that a message names."""


def find_small_classes(root: Path, params: Params, source: FolderSource, labels: Sequence[str]) -> Iterator[Issue]:
    """Yield where classes have too few images for validate or split.

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
    sizes = Counter([*_labels_of_images(root, params, source, labels), *relabelled])
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


def _labels_of_images(root: Path, params: Params, source: FolderSource, labels: Sequence[str]) -> Iterable[str]:
    """Return the label of each different image; of many or large files, of each file."""
    files = [(label, address) for label in labels for _, address in source.files(label)]
    sizes = (path.stat().st_size for _, address in files if (path := root / address).is_file())
    hashed = len(files) <= _FILES and sum(sizes) <= _BYTES
    images: dict[str, str] = {}
    for label, address in files:
        name = address
        if hashed:
            file = source.read(address, max_bytes=params.scrape.max_bytes)
            if not isinstance(file, Fetched) or not _is_image(file.content):
                continue
            name = hashlib.sha256(file.content).hexdigest()
        images.setdefault(name, label)
    return images.values()


def _is_image(content: bytes) -> bool:
    """Tell whether a file's header is that of an image; decoding it all would take too long here."""
    try:
        header_size(content)
    except (UndecodableError, MemoryError):
        return False
    return True
