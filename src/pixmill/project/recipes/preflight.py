"""Checks before a run: images in ``data/``, lists of URLs, plugins and presets.

They take about a second; a run would fail after minutes.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.install.origin import install_command
from pixmill.core.install.plugins import load_plugin
from pixmill.core.install.pyproject import GROUPS
from pixmill.core.names import class_by_name
from pixmill.core.params import Params
from pixmill.core.repository.dvc import cache_folder
from pixmill.core.words import first_of
from pixmill.dataset.bundled import missing_data
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.decode import header_size
from pixmill.images.listing import files_below
from pixmill.images.verified_reading import UndecodableError, read_image

_MAX_OPENED = 100
"""Images whose headers are read."""

MAX_NAMED = 20
"""Folders listed in a message."""


@dataclass(frozen=True)
class Issue:
    """A problem with local files.

    Args:
        message: Description, with the folder or file.
        next: Fix; ``None`` if the message is enough.
        stops: Whether a run would stop there.
    """

    message: str
    next: str | None
    stops: bool = False

    def __str__(self) -> str:
        return self.message if self.next is None else f"{self.message}\nNext: {self.next}"


def find_issues(root: Path, params: Params) -> Iterator[Issue]:
    """Yield the problems with the local files that the params name.

    Args:
        root: Project folder.
        params: Params of the project.
    """
    yield from temporary_copies(root)
    sources = params.sources()
    if "urls" in sources:
        from pixmill.scrape.sources.urls import UrlsSource

        yield from _attempt(partial(UrlsSource, root=root), params.scrape.urls, params.classes)
    for source in sorted(sources):
        if source.startswith("site:"):
            from pixmill.scrape.sources.definition import load_site

            yield from _attempt(load_site, source.removeprefix("site:"), root / "sites")
    yield from _plugins(root, params, sources)
    backbone = params.train.kind.backbone
    if backbone is not None and backbone.title.startswith("hub:"):
        if find_spec("keras_hub") is None:
            yield Issue(
                "presets of KerasHub need the extra 'hub'", install_command("hub"), stops=True
            )
        elif backbone.sha256 is None or backbone.revision is None:  # It is a local folder.
            from pixmill.models.preset_files import pinned_folder
            from pixmill.models.presets import input_side

            def check_preset() -> None:
                preset = pinned_folder(backbone, root)
                side = backbone.image_size
                input_side(preset, params.split.image_size, side)  # type: ignore[arg-type]

            yield from _attempt(check_preset)
    command = missing_data(root)
    if command is not None and not ("folder" in sources and command == "pixmill demo"):
        # A fresh clone: the params are fine, so nothing stops here.
        yield Issue("data/ is missing, and dvc needs it for all stages", command)
        return
    if "folder" in sources:
        yield from _folders(root / "data", params)
    if (folder := params.evaluate.unlabelled) is not None and not (root / folder).exists():
        yield Issue(f"{folder} is missing, so evaluate will predict no unlabelled images", None)


def temporary_copies(root: Path) -> Iterator[Issue]:
    """Yield an issue if DVC cannot run experiments in a copy: it writes the path of its cache there, as ASCII.

    Args:
        root: Project folder.
    """
    # Only then, since asking DVC for its cache takes a second.
    if (
        not str(root.resolve()).isascii()
        and (files := cache_folder(root)) is not None
        and not str(files).isascii()
    ):
        cache = files.parents[1]
        yield Issue(
            (
                "`dvc exp run` cannot use --temp or --queue, since the path of DVC's cache is not "
                f"ASCII: {cache}"
            ),
            "dvc exp run without these options, or move the cache to a new FOLDER with an ASCII "
            "path: "
            f"mv {shlex.quote(str(cache))} FOLDER && dvc cache dir --local FOLDER",
        )


def _plugins(root: Path, params: Params, sources: Sequence[str]) -> Iterator[Issue]:
    train = params.train
    named = [
        ("sources", name.removeprefix("plugin:"))
        for name in sorted(sources)
        if name.startswith("plugin:")
    ]
    named += [("checks", name) for name in params.validate.plugins]
    named += [("augmentations", train.augmentation.plugin)] if train.augmentation.plugin else []
    if train.backbone.title.startswith("plugin:"):
        named.append(("backbones", train.backbone.title.removeprefix("plugin:")))
    for kind, name in named:
        if GROUPS[kind] == "train":
            from pixmill.models.tensorflow import load_tensorflow

            # Before the plugin imports it: without its log messages, and with Pixmill's settings.
            load_tensorflow()
        yield from _attempt(load_plugin, kind, name, root)


def _attempt(load: Callable[..., object], *arguments: Any) -> Iterator[Issue]:
    """Yield an issue if loading fails, which would stop a run."""
    try:
        load(*arguments)
    except PixmillError as error:
        yield Issue(error.message, error.next, stops=True)


def _folders(data: Path, params: Params) -> Iterator[Issue]:
    """Yield the problems with ``data/`` as the source ``folder``."""
    from pixmill.scrape.sources.folder import FolderSource

    scrape = params.scrape
    try:
        names = class_by_name(params.classes, scrape.folder.classes)
        source = FolderSource(data, layout=scrape.folder.layout, classes=names)
    except DataError as error:
        yield Issue(error.message, error.next, stops=data.is_dir())
        return
    unlabelled = params.evaluate.unlabelled
    for remark in source.remarks(used=() if unlabelled is None else [Path(unlabelled).parts[1]]):
        yield Issue(remark, None)
    if unlabelled is None and (data / "unlabelled").is_dir():
        yield Issue(
            "data/unlabelled exists, but no stage uses it",
            "set evaluate.unlabelled to data/unlabelled in params.yaml to predict its images",
        )
    for what, remedy in source.unread():
        yield Issue(what, remedy)
    labels = source.labels()
    if unknown := [label for label in labels if label not in params.classes]:
        yield Issue(
            (
                "data/ has folders, or labels in metadata.csv, that are not among the classes of "
                "params.yaml: "
            )
            + first_of(unknown, MAX_NAMED),
            "add them to classes or scrape.folder.classes, or move them out of data/: validate "
            "stops at unknown "
            "labels. Images without a label belong in data/unlabelled, with evaluate.unlabelled: "
            "data/unlabelled in "
            "params.yaml",
            stops=params.validate_.labels_declared.severity == "critical",
        )
    wanted = [label for label in params.classes if "folder" in scrape.sources_of(label)]
    absent = {label: words for label in wanted if (words := source.absence(label)) is not None}
    present = [label for label in wanted if label not in absent]
    if gaps := source.gaps(present):
        lacking = Counter(gap.split("/")[1] for gap in gaps)
        stops = "train" in lacking or len(present) in lacking.values()
        effect = (
            "split stops without them" if stops else "nothing is measured on these classes there"
        )
        yield Issue(
            f"{first_of(gaps, MAX_NAMED)}: no files; {effect}",
            (
                "put images of each class into data/train and data/test, and into data/val if there "
                "is "
                "one"
            ),
            stops=stops,
        )
    place = unlabelled or "data/unlabelled"
    folder = data.parent / place
    if absent and not present and folder.is_dir() and next(files_below(folder), None):
        yield Issue(
            f"no image has a label yet; those in {unlabelled or 'data/unlabelled'} wait for one",
            "pixmill review",
            stops=True,
        )
    elif absent:
        # Another source may have images of the class, and searches may fail.
        stops = not all(
            len(scrape.sources_of(label)) > 1 and scrape.tolerate > 0 for label in absent
        )
        yield Issue(first_of([*absent.values()], MAX_NAMED), source.advice(), stops=stops)
    yield from _dropped(source.files, data, params)


def _dropped(
    files: Mapping[str, Sequence[tuple[str | None, str]]], data: Path, params: Params
) -> Iterator[Issue]:
    """Yield an issue if a class has too few images for validate, or validate will drop images for their size.

    Args:
        files: Split and path of the files of each class.
        data: Folder of the files.
        params: Params of the project.
    """
    validate = params.validate_
    least = validate.min_per_class.count
    own = [label for label in params.classes if params.scrape.sources_of(label) == ("folder",)]
    if few := [
        f"{label} ({len(files[label]):,})" for label in own if 0 < len(files.get(label, ())) < least
    ]:
        text = (
            f"fewer images than validate.min_per_class.count ({least:,}): "
            f"{first_of(few, MAX_NAMED)}"
        )
        # A review may give other labels, so nothing stops here.
        yield Issue(text, "add images of these classes, or lower it in params.yaml")
    names = [name for each in files.values() for _, name in each]
    looked = names[:: len(names) // _MAX_OPENED + 1]
    bounds = RowLimits(validate.timeout, validate.memory << 20)
    paths = [data / name for name in looked]
    sizes = map_batches(
        _read_sizes, paths, workers=1, limits=bounds, lost=lambda *_: (), local=True
    )
    side = validate.image_size
    most = validate.max_pixels
    dropped = [
        f"{name} ({size[0]} x {size[1]})"
        for name, size in zip(looked, sizes, strict=True)
        if size
        and (size[0] < side.min_width or size[1] < side.min_height or size[0] * size[1] > most)
    ]
    if dropped:
        limits = (
            f"validate.image_size ({side.min_width} x {side.min_height}) or above "
            f"validate.max_pixels ({most:,})"
        )
        text = (
            f"validate drops {len(dropped):,} of {len(looked):,} images looked at, below {limits}"
        )
        yield Issue(
            f"{text}: {first_of(dropped, 3)}",
            "use other images, or change these limits in params.yaml",
        )


def _read_sizes(paths: Sequence[Path]) -> list[tuple[int, ...]]:
    """Return width and height of an image, nothing if it has no sound header; with limits, each call gets one."""
    try:
        return [header_size(read_image(path)) for path in paths]
    except (UndecodableError, OSError):
        return [()]
