"""Images that an import has found, before they are copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from pixmill.core.metadata import Facts

PRECEDENCE = ("test", "val", "train", None)
"""The first of these that an image is given is its split, so that it is out of training."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image to import.

    Args:
        file: Path of the file, as text: a set may have a million.
        name: Its name for people, relative to the imported folder or archive, with slashes; the
            name of the copy is derived from it.
        facts: Label, split, group and origin; an image without a label goes to
            ``data/unlabelled/``.
    """

    file: str
    name: str
    facts: Facts

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)

    def with_split(self, splits: Mapping[str | None, str]) -> Item:
        """Return the image in the split to use for its own, none without a label."""
        is_answered = self.facts.label is not None or self.facts.not_label
        split = splits.get(self.facts.split) if is_answered else None
        return replace(self, facts=replace(self.facts, split=split))


@dataclass(frozen=True)
class Detected:
    """The result of looking at a folder, archive or table.

    Args:
        items: Images to import.
        recognised: What was recognised, as a clause without counts, such as ``a table, labels.csv:
            image = id``.
        urls: Facts by URL, of images that the source ``urls`` is to fetch.
        remarks: Sentences on assumptions and on what was left out, with counts.
        options: Options of the command line that would overrule what was guessed, such as
            ``--columns``.
        several: Whether an image may have several labels: facts then list those that it has and
            has not.
        rows: File and row of the table that first name each label; labels of folders have none.
    """

    items: list[Item]
    recognised: str
    urls: Mapping[str, Facts] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    several: bool = False
    rows: Mapping[str, str] = field(default_factory=dict)

    def changed(self, change: Callable[[Facts], Facts]) -> Detected:
        """Return the images with other facts."""
        items = [replace(item, facts=change(item.facts)) for item in self.items]
        urls = {url: change(facts) for url, facts in self.urls.items()}
        return replace(self, items=items, urls=urls)

    @property
    def by_source(self) -> dict[str, list[Facts]]:
        """Facts of all images by the source that is to read them, ``folder`` or ``urls``."""
        return {"folder": [item.facts for item in self.items], "urls": [*self.urls.values()]}

    @property
    def facts(self) -> list[Facts]:
        """Facts of all images."""
        return [*chain.from_iterable(self.by_source.values())]

    def labels_in(self, facts: Facts) -> list[str]:
        """Return the labels that facts name, including those that the image lacks."""
        return [*facts.cells] if self.several else [*filter(None, [facts.label])]
