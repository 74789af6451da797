"""Write a trained model in the formats of other runtimes, each checked against the original, with a model card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import remove_temporary, replacing, write_text
from pixmill.core.process.progress import announce, track
from pixmill.images.parts import Part, load_parts
from pixmill.models.classifier import Classifier
from pixmill.models.determinism import first_line
from pixmill.models.exported import LABELS, Exported, labels_text
from pixmill.models.model_folder import load_classifier
from pixmill.models.novelty import load_novelty
from pixmill.serve.export.agreement import Agreement, measure, open_exported
from pixmill.serve.export.card import MARK, gather, render_card
from pixmill.serve.export.conversion import FORMATS, calibrate, convert, install_missing
from pixmill.serve.predict.model import find_model

CARD = "README.md"

_CHECKED = 2000
"""Maximum test images to check on: with these, a share of 97 % is known to within a point."""


@dataclass
class ExportResult:
    """The files that an export wrote.

    Args:
        folder: Where.
        checked: The formats that were written, each with its agreement and its size in bytes.
        refused: Why a format was refused, by format.
        missing: The command that installs what a format that was left out takes, by format.
    """

    folder: Path
    checked: dict[str, tuple[Agreement, int]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


class _FormatError(Exception):
    """A format that is refused, with the reason as its text."""


def export(
    root: Path, output: Path, formats: Sequence[str] = (), *, max_drop: float = 0.03, licence: str | None = None
) -> ExportResult:
    """Write the project's trained model to a folder, which replaces an earlier export there.

    A format that differs too much from the original, or that cannot be converted, is not written; the others are.
    Files appear under their names only once they are checked, the card last.

    Args:
        root: The project's folder.
        output: The target folder.
        formats: Keys of :data:`pixmill.serve.export.conversion.FORMATS`; default: all whose packages are installed.
        max_drop: For int8, the maximum drop of the test accuracy, 0 to 1.
        licence: The model's licence, for the card; ``None`` if unknown.

    Raises:
        PixmillError: There is no trained model or its images are missing, a package for a named format is missing, or
            the folder is one of the pipeline's or has a ``README.md`` of another origin.
    """
    _check(output, root)
    result = ExportResult(output)
    missing = {name: command for name in formats or FORMATS if (command := install_missing(name))}
    if formats and missing:
        raise PixmillError(
            f"{', '.join(missing)}: the packages for this format are not installed",
            next=" && ".join(dict.fromkeys(missing.values())),
        )
    result.missing = missing
    folder = root / "artifacts" / "train"
    announce("loading the model")
    classifier, description = _load(folder, root)
    # Without its limit it would mark nothing.
    novelty = None if description.novelty_limit is None else load_novelty(folder)
    parts = load_parts(root / "artifacts" / "split", description.labels, image_size=description.image_size)
    model = calibrate(load_classifier(folder)[0], description.temperature)
    rows, expected = _sample(classifier, parts["test"])
    _clear(output)
    write_text(output / LABELS, labels_text(description.labels))
    for name in FORMATS:
        if name in missing or (formats and name not in formats):
            continue
        announce(f"{FORMATS[name]}: converting" + (", which takes a minute or two" if name == "int8" else ""))

        def check(path: Path, name: str = name) -> Agreement:
            found = measure(open_exported(path), parts["test"], rows, expected)
            if (reason := found.refusal(name, max_drop=max_drop)) is not None:
                raise _FormatError(reason)
            return found

        try:
            path = output / FORMATS[name]
            make = partial(convert, name, model, description=description, training=parts["train"], novelty=novelty)
            found = _write(path, make, check)
            result.checked[name] = found, path.stat().st_size
        except _FormatError as reason:
            result.refused[name] = str(reason)
    card = render_card(gather(root, description), result.checked, licence=licence, refused=result.refused)
    write_text(output / CARD, card)
    return result


def _load(folder: Path, root: Path) -> tuple[Classifier, Exported]:
    """Return the model, and its description."""
    found = find_model(None, root)
    classifier = Classifier.load(folder)
    preprocessing, calibration = classifier.preprocessing, classifier.calibration
    return classifier, Exported(
        labels=classifier.labels,
        image_size=preprocessing.image_size,
        aspect=preprocessing.aspect,
        resize=preprocessing.resize,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        target_accuracy=calibration.target_accuracy,
        name=found.name,
        digest=found.digest,
        commit=found.commit,
        metrics=dict(found.metrics),
        novelty_limit=calibration.novelty_limit,
    )


def _sample(classifier: Classifier, part: Part) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return rows of the test split, evenly spread if there are many, and the model's probabilities of these."""
    rows = np.unique(np.linspace(0, len(part) - 1, min(_CHECKED, len(part))).astype(np.int64))
    batches = (part.pixels[row][None] for row in track(rows.tolist(), "Predict", len(rows)))
    return rows, classifier.calibration.apply(
        np.concatenate([classifier.predict_uncalibrated(batch) for batch in batches])
    )


def _check(output: Path, root: Path) -> None:
    """Refuse a folder where an export would do harm."""
    advice, place, card = "choose another folder: --output DIR", output.resolve(), output / CARD
    if output.exists() and not output.is_dir():
        raise PixmillError(f"{output} is not a folder", next=advice)
    if any(place.is_relative_to((root / name).resolve()) for name in ("data", "artifacts")):
        raise PixmillError(f"{output} belongs to the pipeline, which reads every file in it", next=advice)
    if card.exists() and MARK not in card.read_text(encoding="utf-8", errors="replace")[:1000]:
        raise PixmillError(f"{card} was not written by this command, and would be replaced", next=advice)


def _clear(output: Path) -> None:
    """Remove an earlier export, the card first."""
    remove_temporary(output)
    for name in (CARD, LABELS, *FORMATS.values()):
        (output / name).unlink(missing_ok=True)


def _write(path: Path, make: Callable[[Path], None], check: Callable[[Path], Agreement]) -> Agreement:
    with replacing(path) as temporary:
        # Converters and runtimes raise all kinds of exceptions; the other formats remain in any case.
        try:
            make(temporary)
            return check(temporary)
        except (OSError, _FormatError):
            raise
        except Exception as error:
            raise _FormatError(f"{type(error).__name__}: {first_line(error)[:300]}") from error
