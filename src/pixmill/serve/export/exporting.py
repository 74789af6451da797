"""Export a trained model: convert, compare with the original, write the model card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import remove_temporary, replacing, write_bytes, write_text
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.process.progress import announce, track
from pixmill.experiments.compare.git_revisions import find
from pixmill.experiments.compare.trees import DvcStore, Tree
from pixmill.images.parts import Part, load_parts
from pixmill.models.classifier import Classifier
from pixmill.models.determinism import first_line
from pixmill.models.exported import LABELS, Exported, labels_text
from pixmill.models.model_folder import load_classifier
from pixmill.models.novelty import load_novelty
from pixmill.serve.export.agreement import Agreement, measure, open_exported
from pixmill.serve.export.card import MARK, gather, render_card
from pixmill.serve.export.conversion import (
    FORMATS,
    PAGES,
    SMALL,
    calibrate,
    convert,
    install_missing,
)
from pixmill.serve.export.html.page import build_page
from pixmill.serve.export.html.runtime import load_runtime
from pixmill.serve.predict.model import TRAINED, Model, find_model

if TYPE_CHECKING:
    import keras

CARD = "README.md"

_MAX_IMAGES = 2000
"""Maximum number of test images for the comparison; it determines a share of 97 % to within a
point."""

_DEFAULT = [name for name in FORMATS if name != SMALL]

_IN_GIT = ("dvc.lock", "plots/evaluate/full.json")
_OUTPUTS = (TRAINED.as_posix(), "artifacts/split")
"""Files and outputs of a project from which a model is exported."""


@dataclass
class ExportResult:
    """Outcome of an export.

    Args:
        folder: Folder of the files.
        checked: Agreement and size in bytes of each written format.
        refused: Reason for each refused format.
        removed: Files of an earlier export that were not written again.
        missing: Install command for each format whose packages are missing.
        is_exclusive: Whether an image has one label.
    """

    folder: Path
    checked: dict[str, tuple[Agreement, int]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    is_exclusive: bool = True


def export(
    root: Path,
    output: Path,
    formats: Sequence[str] = (),
    *,
    model: str | None = None,
    max_drop: float = 0.03,
    licence: str | None = None,
    contact: str | None = None,
) -> ExportResult:
    """Export a trained model of the project to a folder, and replace an earlier export there.

    A format that cannot be converted or differs too much from the original is refused; the others
    are written. Files are renamed into place once they are checked, the card last.

    Args:
        root: Project folder.
        output: Target folder.
        formats: Keys of :data:`pixmill.serve.export.conversion.FORMATS`; default: all but
            ``SMALL``, as far as what they need is installed.
        model: As for :func:`pixmill.serve.predict.model.find_model`.
        max_drop: Maximum drop of the test accuracy for int8 and small pages, 0 to 1.
        licence: Licence of the model for the card; ``None`` if unknown.
        contact: Whom to ask about the model, for pages; ``None`` names nobody.

    Raises:
        PixmillError: There is no trained model, its images or a package for a named format are
            missing, or the folder belongs to the pipeline or has another ``README.md``.
    """
    _check(output, root)
    if set(PAGES) & set(formats):
        load_runtime()  # Before an earlier export is removed.
    missing = _missing(formats)
    found = find_model(model, root)
    with TemporaryDirectory(prefix="pixmill-") as temporary:
        source = root
        if found.path.resolve() != (root / TRAINED).resolve():
            source = Path(temporary)
            _restore(found, root, source)
        announce(f"loading {found.title}")
        classifier, description = _load(source / TRAINED, found)
        # Without a limit, no image counts as novel.
        novelty = None
        if description.novelty_limit is not None:
            novelty = load_novelty(source / TRAINED)
        parts = load_parts(
            source / "artifacts" / "split",
            description.labels,
            targets=classifier.head.targets,
            image_size=description.image_size,
        )
        rows, expected = _sample(classifier, parts["test"])

        @cache
        def network() -> keras.Model:
            temperature = description.temperature or description.temperatures
            return calibrate(load_classifier(source / TRAINED)[0], temperature)

        def write(name: str, path: Path) -> None:
            if name in PAGES:
                _check_formats(source)
                at_source = replace(found, path=source / TRAINED)
                path.write_bytes(build_page(at_source, small=name == SMALL, contact=contact))
                return
            convert(
                name,
                network(),
                path,
                description=description,
                training=parts["train"],
                novelty=novelty,
            )

        def check(path: Path) -> Agreement:
            return measure(
                open_exported(path, classifier), parts["test"], rows, expected, classifier
            )

        is_exclusive = classifier.head.is_exclusive
        result = ExportResult(output, missing=missing, is_exclusive=is_exclusive)
        earlier = [name for name in FORMATS.values() if (output / name).exists()]
        _clear(output)
        write_text(output / LABELS, labels_text(description.labels))
        for name in formats or _DEFAULT:
            if name not in missing:
                _export_format(name, write, check, result, max_drop)
        facts = gather(source, description)
    card = render_card(facts, result.checked, licence=licence, refused=result.refused)
    write_text(output / CARD, card)
    result.removed = [name for name in earlier if not (output / name).exists()]
    return result


def _missing(formats: Sequence[str]) -> dict[str, str]:
    """Return the install command of each format whose packages are missing, unless it is named."""
    commands = {name: install_missing(name) for name in formats or _DEFAULT}
    missing = {name: command for name, command in commands.items() if command}
    if formats and missing:
        raise PixmillError(
            f"{', '.join(missing)}: what this format needs is not installed",
            next=" && ".join(dict.fromkeys(missing.values())),
        )
    return missing


def _restore(found: Model, root: Path, folder: Path) -> None:
    """Write to a folder what an export reads of the commit of a model."""
    refusal = PixmillError(
        f"neither DVC's cache nor its remote has the files and images of {found.title}",
        next="where it was trained: dvc push; or export the model that was trained last: pixmill "
        "export --model artifacts/train",
    )
    tree = Tree(DvcStore(root), find(root, found.commit or "HEAD"))
    names = [name for output in _OUTPUTS for name in tree.files(output)]
    for name in (*_IN_GIT, *names):
        content = tree.read(name)
        if content is None:
            raise refusal
        write_bytes(folder / name, content)
    # It may have no commit, and the commit of a run may have an earlier model.
    if not names or find_model(str(folder / TRAINED), None).digest != found.digest:
        raise refusal


def _clear(output: Path) -> None:
    """Remove an earlier export, the card first."""
    remove_temporary(output)
    for name in (CARD, LABELS, *FORMATS.values()):
        (output / name).unlink(missing_ok=True)


def _export_format(
    name: str,
    write: Callable[[str, Path], None],
    check: Callable[[Path], Agreement],
    result: ExportResult,
    max_drop: float,
) -> None:
    """Write a format if it agrees with the original, and add the outcome to the result."""
    announce(f"{FORMATS[name]}: converting")
    path = result.folder / FORMATS[name]
    try:
        with replacing(path) as temporary:
            write(name, temporary)
            found = check(temporary)
            reason = found.refusal(name, max_drop=max_drop)
            if reason is not None:
                raise PixmillError(reason)
        result.checked[name] = (found, path.stat().st_size)
    except OSError:
        raise
    except PixmillError as error:
        result.refused[name] = str(error)
    except Exception as error:  # noqa: BLE001 (of converters and runtimes; the other formats follow)
        result.refused[name] = f"{type(error).__name__}: {first_line(error)[:300]}"


def _load(folder: Path, found: Model) -> tuple[Classifier, Exported]:
    """Return the model and its metadata."""
    classifier = Classifier.load(folder)
    preprocessing = classifier.preprocessing
    # Each kind of calibration has other fields.
    none = {"temperature": None, "threshold": None}
    calibration: dict[str, Any] = none | asdict(classifier.calibration)
    return classifier, Exported(
        labels=classifier.labels,
        image_size=preprocessing.image_size,
        aspect=preprocessing.aspect,
        resize=preprocessing.resize,
        window=preprocessing.window,
        name=found.name,
        digest=found.digest,
        commit=found.commit,
        metrics=dict(found.metrics),
        task=classifier.head.task,
        **calibration,
    )


def _sample(
    classifier: Classifier, part: Part
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return evenly spaced rows of the test split, and the model's probabilities for them."""
    rows = np.unique(np.linspace(0, len(part) - 1, min(_MAX_IMAGES, len(part))).astype(np.int64))
    batches = (part.pixels[row][None] for row in track(rows.tolist(), "Predict", len(rows)))
    return rows, classifier.calibration.apply(
        np.concatenate([classifier.predict_uncalibrated(batch) for batch in batches])
    )


def _check_formats(root: Path) -> None:
    """Raise :class:`PixmillError` if a page cannot read most images of the project."""
    manifest = read_table(
        root / "artifacts" / "split" / "manifest.parquet", SPLIT, stage="split", columns=["format"]
    )
    if manifest["format"].isin(["tiff", "heic"]).mean() > 0.5:
        raise PixmillError(
            "most images of this project are TIFF or HEIC, which the page does not read",
            next="pixmill export litert",
        )


def _check(output: Path, root: Path) -> None:
    """Raise :class:`PixmillError` if the folder holds files that an export must not replace."""
    advice = "choose another folder: --output DIR"
    place = output.resolve()
    card = output / CARD
    if output.exists() and not output.is_dir():
        raise PixmillError(f"{output} is not a folder", next=advice)
    if any(place.is_relative_to((root / name).resolve()) for name in ("data", "artifacts")):
        raise PixmillError(
            f"{output} belongs to the pipeline, which reads every file in it", next=advice
        )
    if card.exists() and MARK not in card.read_text(encoding="utf-8", errors="replace")[:1000]:
        raise PixmillError(
            f"{card} was not written by this command, and would be replaced", next=advice
        )
