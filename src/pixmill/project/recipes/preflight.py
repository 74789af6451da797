"""Checks before a run: images in ``data/``, lists of URLs, plugins and presets.

They take about a second; a run would fail after minutes.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.writing import read_json
from pixmill.core.install.origin import install_command
from pixmill.core.install.plugins import load_plugin
from pixmill.core.install.pyproject import GROUPS
from pixmill.core.params import Params, parse_yaml
from pixmill.core.repository.dvc import cache_folder
from pixmill.core.words import first_of
from pixmill.dataset.bundled import missing_data
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.decode import header_size
from pixmill.images.listing import files_below
from pixmill.images.verified_reading import UndecodableError, read_image

if TYPE_CHECKING:
    from pixmill.scrape.sources.folder import FolderSource

_MAX_OPENED = 100
"""Images whose headers are read."""

_OF_TASK = ("scrape", "validate", "split", "train")
"""Stages whose results depend on the task."""

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
    yield from _task(root, params)
    yield from _other_results(root, params)
    sources = params.sources()
    if "urls" in sources:
        from pixmill.scrape.sources.urls import UrlsSource

        yield from _attempt(partial(UrlsSource, root=root), params.scrape.urls, params.classes)
    for source in sorted(sources):
        if source.startswith("site:"):
            from pixmill.scrape.sources.definition import load_site

            yield from _attempt(load_site, source.removeprefix("site:"), root / "sites")
    yield from _plugins(root, params, sources)
    yield from _preset(root, params)
    command = missing_data(root)
    if command is not None and not ("folder" in sources and command == "pixmill demo"):
        # A fresh clone: the params are fine, so nothing stops here.
        yield Issue("data/ is missing, and dvc needs it for all stages", command)
        return
    if "folder" in sources:
        yield from _folders(root / "data", params)
    if (folder := params.evaluate.unlabelled) is not None and not (root / folder).exists():
        yield Issue(f"{folder} is missing, so evaluate will predict no unlabelled images", None)


def _task(root: Path, params: Params) -> Iterator[Issue]:
    """Yield whether stages overlook the task."""
    path = root / "dvc.yaml"
    stages = parse_yaml(path.read_text("utf-8"))["stages"] if path.is_file() else {}
    lists = {name: "task" in stages[name].get("params", ()) for name in _OF_TASK if name in stages}
    usual = Params.model_fields["task"].default
    lacking = [name for name, listed in lists.items() if not listed]
    if params.task != usual and lacking:
        yield Issue(
            f"DVC overlooks task in params.yaml: dvc.yaml does not list it for {first_of(lacking)}",
            "write task beside classes in params: of these stages of dvc.yaml",
        )
    if "task" not in params.model_fields_set and any(lists.values()):
        problem = "dvc.yaml lists task, which params.yaml does not have, so dvc repro fails"
        yield Issue(problem, f"add to params.yaml: task: {usual}", stops=True)


def _other_results(root: Path, params: Params) -> Iterator[Issue]:
    """Yield whether the results are of another task."""
    model = root / "artifacts/train/labels.json"
    trained = read_json(model, stage="train") if model.is_file() else {"task": params.task}
    was = trained.get("task", Params.model_fields["task"].default)
    if was != params.task:
        yield Issue(
            f"task is now {params.task}, and the results are of {was}: all stages run again, and "
            "the two results cannot be compared",
            None,
        )


def _preset(root: Path, params: Params) -> Iterator[Issue]:
    """Yield the problems with a preset of KerasHub."""
    backbone = params.train.kind.backbone
    if backbone is None or not backbone.title.startswith("hub:"):
        return
    if find_spec("keras_hub") is None:
        yield Issue("presets of KerasHub need the extra 'hub'", install_command("hub"), stops=True)
    elif backbone.sha256 is None or backbone.revision is None:  # It is a local folder.
        from pixmill.models.preset_files import pinned_folder
        from pixmill.models.presets import input_side

        def check_preset() -> None:
            preset = pinned_folder(backbone, root)
            side = backbone.image_size
            input_side(preset, params.split.image_size, side)  # type: ignore[arg-type]

        yield from _attempt(check_preset)


def temporary_copies(root: Path) -> Iterator[Issue]:
    """Yield an issue if DVC cannot run experiments in a copy: the path of its cache is not ASCII.

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
    from pixmill.scrape.sources.folder import FOLDERS

    try:
        layout = params.scrape.folder.layout
        source = FOLDERS[params.task](data, layout=layout, classes=params.class_by_name)
    except DataError as error:
        yield Issue(error.message, error.next, stops=data.is_dir())
        return
    yield from _remarks(source, data, params)
    yield from _unknown_labels(source, params)
    yield from _absences(source, data, params)
    yield from image_issues(source.files, data, params, source.refusals())


def _remarks(source: FolderSource, data: Path, params: Params) -> Iterator[Issue]:
    """Yield what the source does not read."""
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


def _unknown_labels(source: FolderSource, params: Params) -> Iterator[Issue]:
    unknown = [label for label in source.labels() if label not in params.classes]
    if unknown:
        yield Issue(
            "data/ has folders, or labels in metadata.csv, that are not among the classes of "
            f"params.yaml: {first_of(unknown, MAX_NAMED)}",
            "add them to classes or scrape.folder.classes, or move them out of data/: validate "
            "stops at unknown labels. Images without a label belong in data/unlabelled, with "
            "evaluate.unlabelled: data/unlabelled in params.yaml",
            stops=params.validate_.labels_declared.severity == "critical",
        )


def _absences(source: FolderSource, data: Path, params: Params) -> Iterator[Issue]:
    """Yield classes without images, at all or in a split."""
    scrape = params.scrape
    absent: dict[str, str] = {}
    present: list[str] = []
    for label in params.classes:
        if "folder" in scrape.sources_of(label):
            words = source.absence(label)
            if words is None:
                present.append(label)
            else:
                absent[label] = words
    yield from _gaps(source, present)
    place = params.evaluate.unlabelled or "data/unlabelled"
    folder = data.parent / place
    if absent and not present and folder.is_dir() and next(files_below(folder), None):
        sentence = f"no image has a label yet; those in {place} wait for one"
        yield Issue(sentence, "pixmill review", stops=True)
    elif absent:
        # Another source may have images of the class, and searches may fail.
        others = [label for label in absent if len(scrape.sources_of(label)) > 1]
        stops = len(others) < len(absent) or scrape.tolerate == 0
        yield Issue(first_of([*absent.values()], MAX_NAMED), source.advice(), stops=stops)


def _gaps(source: FolderSource, present: Sequence[str]) -> Iterator[Issue]:
    """Yield classes without images in a split that others have."""
    gaps = source.gaps(present)
    if not gaps:
        return
    lacking = Counter(gap.split("/")[1] for gap in gaps)
    stops = "train" in lacking or len(present) in lacking.values()
    effect = "split stops without them" if stops else "nothing is measured on these classes there"
    yield Issue(
        f"{first_of(gaps, MAX_NAMED)}: no files; {effect}",
        "put images of each class into data/train and data/test, and into data/val if there is one",
        stops=stops,
    )


_Files = Mapping[str, Sequence[tuple[str | None, str]]]
"""Split and path of the files of each class."""


def image_issues(
    files: _Files, data: Path, params: Params, refusals: Mapping[str, int] | None
) -> Iterator[Issue]:
    """Yield the problems with images that a project has, or is to get.

    Args:
        files: Split and path, in ``data``, of the files of each class.
        data: Their folder.
        params: Params of the project.
        refusals: Number of files that surely lack a label; ``None`` if they have one label each.
    """
    yield from _few_images(files, params, refusals)
    yield from _dropped(files, data, params)


def _few_images(
    files: _Files, params: Params, refusals: Mapping[str, int] | None
) -> Iterator[Issue]:
    """Yield an issue if a class has too few images for validate."""
    least = params.validate_.min_per_class.count
    few = []
    for label in params.classes:
        number = len(files.get(label, ()))
        if number and refusals is not None:
            number = min(number, refusals.get(label, 0))
        elif not number:
            continue  # said elsewhere
        if number < least and params.scrape.sources_of(label) == ("folder",):
            few.append(f"{label} ({number:,})")
    if few:
        named = first_of(few, MAX_NAMED)
        # A review may give other labels, so nothing stops here.
        answers = "images" if refusals is None else "images with yes, or with no,"
        yield Issue(
            f"fewer {answers} than validate.min_per_class.count ({least:,}): {named}",
            "add such images, or lower it in params.yaml",
        )


def _dropped(files: _Files, data: Path, params: Params) -> Iterator[Issue]:
    """Yield an issue if validate will drop images for their size."""
    validate = params.validate_
    names = [*dict.fromkeys(name for each in files.values() for _, name in each)]
    looked = names[:: len(names) // _MAX_OPENED + 1]
    bounds = RowLimits(validate.timeout, validate.memory << 20)
    paths = [data / name for name in looked]
    sizes = map_batches(
        _read_sizes, paths, workers=1, limits=bounds, lost=lambda *_: (), local=True
    )
    side = validate.image_size
    most = validate.max_pixels
    dropped = []
    for name, size in zip(looked, sizes, strict=True):
        if not size:
            continue
        width, height = size
        if width < side.min_width or height < side.min_height or width * height > most:
            dropped.append(f"{name} ({width} x {height})")
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
    """Return width and height of an image, nothing if it has no sound header."""
    try:
        return [header_size(read_image(path)) for path in paths]
    except (UndecodableError, OSError):
        return [()]
