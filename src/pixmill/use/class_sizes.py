"""Whether validate will find enough images of each class in ``data/``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from pixmill.core.params import Params
from pixmill.core.words import count, first_of
from pixmill.scrape.sources.folder import FolderSource
from pixmill.use.issue import Issue

_NAMED = 20
"""Classes that a message names."""


def find_small_classes(root: Path, params: Params, source: FolderSource, labels: Sequence[str]) -> Iterator[Issue]:
    """Yield where classes have too few images for validate.

    Every file counts, and so does every image that a decision relabels: there may be fewer in the end, but no more.

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
    sizes = Counter([*(label for label in labels for _ in source.files(label)), *relabelled])
    least = params.validate_.min_per_class
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
