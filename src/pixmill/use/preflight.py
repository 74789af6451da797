"""What a run needs on this machine before it starts: images in ``data/``, lists of URLs; and a salt that divides them.

A look takes about a second, where a run would fail after minutes.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixmill.bundled import missing_data
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.origin import install_command
from pixmill.core.params import Params
from pixmill.core.words import first_of
from pixmill.images import UndecodableError, header_size
from pixmill.learn.preset_files import HUB, pinned_folder
from pixmill.learn.tensorflow import load_tensorflow
from pixmill.project.plugins import load_plugin
from pixmill.project.pyproject import GROUPS
from pixmill.scrape.collection.reach import is_own, private_hosts
from pixmill.scrape.sources import open_sources
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.folder import FolderSource
from pixmill.web.fetch import Fetched

_FILES = 5_000
_BYTES = 1 << 30
"""More files, or larger ones, are not hashed to find a salt: the classes are divided well enough, or split says so."""

_LIST_BYTES = 1 << 24
"""Hosts of larger lists are not looked up: reading them takes longer than a check may."""

_NAMED = 20
"""Folders that a line names."""


@dataclass(frozen=True)
class Issue:
    """One thing that is amiss with the local files.

    Args:
        message: What, with the folder or file.
        next: What to do; ``None`` where the message says it all.
        stops: Whether a run would stop there.
    """

    message: str
    next: str | None
    stops: bool = False

    def __str__(self) -> str:
        return self.message if self.next is None else f"{self.message}\nNext: {self.next}"


def find_issues(root: Path, params: Params) -> Iterator[Issue]:
    """Yield what is amiss with the local files that params name.

    Args:
        root: The project's folder.
        params: Those of the project.
    """
    sources = params.sources()
    unsound: list[Issue] = []
    if "urls" in sources:
        from pixmill.scrape.sources.urls import UrlsSource

        unsound += _attempt(partial(UrlsSource, root=root), params.scrape.urls, params.classes)
    for source in sorted(sources):
        if source.startswith("site:"):
            unsound += _attempt(load_site, source.removeprefix("site:"), root / "sites")
    yield from unsound or _private_hosts(root, params, sources)
    yield from _plugins(root, params, sources)
    if params.train.backbone.name.startswith(HUB) and params.train.model != "cnn":
        if find_spec("keras_hub") is None:
            yield Issue("presets of KerasHub need the extra 'hub'", install_command("hub"), stops=True)
        elif params.train.backbone.sha256 is None or params.train.backbone.revision is None:
            yield from _attempt(pinned_folder, params.train.backbone, root)  # Of a folder: without a download.
    command = missing_data(root)
    if command is not None and not ("folder" in sources and command == "pixmill data"):
        # As in a fresh clone: no fault of params, so nothing stops here.
        yield Issue("data/ is missing, and dvc runs no stage without it", command)
        return
    if "folder" in sources:
        yield from _folders(root / "data", params)
    if (folder := params.evaluate.unlabelled) is not None and not (root / folder).exists():
        yield Issue(f"{folder} is missing, so evaluate will predict no unlabelled images", None)


def _private_hosts(root: Path, params: Params, sources: Sequence[str]) -> Iterator[Issue]:
    """Yield each host that the scrape would refuse; where it is asked for results, the run would stop."""
    scrape = params.scrape
    lists_bytes = sum(path.stat().st_size for name in scrape.urls.files if (path := root / name).is_file())
    names = [name for name in sources if is_own(name, scrape) and (name != "urls" or lists_bytes <= _LIST_BYTES)]
    try:
        with open_sources(names, params.classes, scrape, root=root) as opened:
            found = private_hosts(opened.sources, params.classes, scrape)
    except PixmillError as error:
        yield Issue(error.message, error.next, stops=True)
        return
    for source, sentence in found:
        stops = source != "urls" and not scrape.tolerate
        yield Issue(sentence, "if the host is yours, add it to scrape.allow_hosts in params.yaml", stops=stops)


def _plugins(root: Path, params: Params, sources: Sequence[str]) -> Iterator[Issue]:
    train = params.train
    named = [("sources", name.removeprefix("plugin:")) for name in sorted(sources) if name.startswith("plugin:")]
    named += [("checks", name) for name in params.validate.plugins]
    named += [("augmentations", train.augmentation.plugin)] if train.augmentation.plugin else []
    if train.backbone.name.startswith("plugin:"):
        named.append(("backbones", train.backbone.name.removeprefix("plugin:")))
    for kind, name in named:
        if GROUPS[kind] == "train":
            # Quietly, and with our settings, before the plugin does.
            load_tensorflow()
        yield from _attempt(load_plugin, kind, name, root)


def _attempt(load: Callable[..., object], *arguments: Any) -> Iterator[Issue]:
    """Yield why something cannot be loaded, if so: a run would stop there."""
    try:
        load(*arguments)
    except PixmillError as error:
        yield Issue(error.message, error.next, stops=True)


def _folders(data: Path, params: Params) -> Iterator[Issue]:
    """Yield what is amiss with ``data/``, as the source ``folder`` sees it."""
    scrape = params.scrape
    try:
        source = FolderSource(data, layout=scrape.folder.layout)
    except DataError as error:
        yield Issue(error.message, error.next, stops=data.is_dir())
        return
    unlabelled = params.evaluate.unlabelled
    for remark in source.remarks(used=() if unlabelled is None else [unlabelled.split("/")[1]]):
        yield Issue(remark, None)
    if unlabelled is None and (data / "unlabelled").is_dir():
        yield Issue(
            "data/unlabelled is there, but no stage looks at it",
            "to have evaluate predict its images, set evaluate.unlabelled to data/unlabelled in params.yaml",
        )
    there = source.labels()
    if unknown := [label for label in there if label not in params.classes]:
        yield Issue(
            f"data/ has folders that are not among the classes of params.yaml: {first_of(unknown, _NAMED)}",
            "add them to classes, or move them out of data/: validate stops at labels that no class has. Images "
            "without a label belong in data/unlabelled, with evaluate.unlabelled: data/unlabelled in params.yaml",
            stops=params.validate_.labels_declared.severity == "critical",
        )
    wanted = [label for label in params.classes if "folder" in scrape.sources_of(label)]
    absent = {label: words for label in wanted if (words := source.absence(label)) is not None}
    if gaps := source.gaps([label for label in wanted if label not in absent]):
        yield Issue(
            f"{first_of(gaps, _NAMED)}: no files, and split stops where a split lacks a class",
            "put images of each class into data/train and data/test, and into data/val if there is one",
            stops=True,
        )
    if absent:
        lines = [*absent.values()][:_NAMED]
        if len(absent) > _NAMED:
            lines.append(f"… and {len(absent) - _NAMED:,} more classes without images")
        # Another source may bring a class's images where searches may fail.
        stops = not all(len(scrape.sources_of(label)) > 1 and scrape.tolerate > 0 for label in absent)
        yield Issue("\n".join(lines), source.advice(), stops=stops)


def _is_image(content: bytes) -> bool:
    """Tell whether a file's header is that of an image; decoding it all would take too long here."""
    try:
        header_size(content)
    except (UndecodableError, MemoryError):
        return False
    return True


def salt_for_folders(root: Path, params: Params) -> str | None:
    """Return :func:`pixmill.split.suggest_salt` for the images of ``data/``.

    ``None`` for other sources or much data, and where pandas, of the extra ``pipeline``, is not installed.

    Args:
        root: The project's folder.
        params: Those of the project.
    """
    scrape = params.scrape
    local = all(scrape.sources_of(label) == ("folder",) for label in params.classes)
    if scrape.per_class or scrape.per_query:
        # Which of the files are taken is known after scrape.
        return None
    if not local or scrape.folder.layout == "fixed" or not (root / "data").is_dir() or not find_spec("pandas"):
        return None
    source = FolderSource(root / "data")
    files = [(label, address) for label in params.classes for _, address in source.files(label)]
    sizes = (path.stat().st_size for _, address in files if (path := root / address).is_file())
    if len(files) > _FILES or sum(sizes) > _BYTES:
        return None
    rows = []
    for label, address in files:
        file = source.read(address, max_bytes=scrape.max_bytes)
        if isinstance(file, Fetched) and _is_image(file.content):
            rows.append((hashlib.sha256(file.content).hexdigest(), label, "folder", None, address, None))
    # pandas takes longer to import than everything before it.
    import pandas as pd

    from pixmill.split import suggest_salt

    columns = ["id", "label", "source", "page_url", "image_url", "given_split"]
    images = pd.DataFrame(rows, columns=columns, dtype=object).drop_duplicates("id")
    return suggest_salt(images, params.split, classes=params.classes)
