"""Predict the class of images: files, folders or URLs.

Prints a table for a few images, else a summary; the options write all
predictions to files, sort the images or write sidecars. A file that is not an
image becomes a row with the reason. Exits 1 if no file has a prediction, or one
that you name by itself has none.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import add_log_options, open_log
from pixmill.core.process.lifetime import interruptible
from pixmill.core.process.progress import announce
from pixmill.core.repository.git import leave_out
from pixmill.core.words import printable
from pixmill.project.api import find_project

if TYPE_CHECKING:
    from pixmill.serve.predict.model import Model
    from pixmill.serve.predict.showing import Summary

EXTRAS = ("serve", "registry")

EXAMPLES = (
    ("pixmill predict photo.jpg", "predict the class of an image"),
    ("pixmill predict photos/ --csv answers.csv", "write a table for spreadsheets"),
    ("pixmill predict photos/ --html gallery.html", "write a gallery page"),
    ("pixmill predict photos/ --sort sorted", "link the images into a folder for each class"),
    ("pixmill predict photos/ --xmp", "write keywords for photo managers"),
    ("pixmill predict photo.jpg --model models:/garments@champion", ""),
    ("pixmill predict photos/ --classes coat,dress --csv answers.csv", "only these can occur"),
    ("pixmill predict photos/ --prior winter.csv --csv answers.csv", "with the shares of winter"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="an image, a folder (with its subfolders), a pattern or a URL",
    )
    parser.add_argument(
        "--model",
        help="a folder like artifacts/train, an exported .tflite file, or a model in MLflow: "
        "models:/NAME/VERSION, models:/NAME@ALIAS, models:/MODEL_ID or runs:/RUN_ID; default: the "
        "one in production, else the one that was trained last",
    )
    for name, text in (
        ("csv", "write a table as CSV"),
        ("jsonl", "write one JSON object per line"),
        ("parquet", "write a table as Parquet"),
        ("html", "write a gallery page"),
    ):
        parser.add_argument(
            f"--{name}", metavar="FILE", type=Path, action="append", default=[], help=text
        )
    text = "link the images into a folder for each class, and unsure, unlike and unreadable"
    parser.add_argument("--sort", metavar="DIR", type=Path, help=text)
    text = "write keywords beside each image, or each sorted one, to photo.jpg.xmp"
    parser.add_argument("--xmp", action="store_true", help=text)
    _add_shift_options(parser)
    add_log_options(parser)


def _add_shift_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="the classes that occur, one a line, or a list such as coat,dress; an image of "
        "another one is 'none of these'",
    )
    parser.add_argument(
        "--prior",
        metavar="FILE",
        type=Path,
        help="the shares of the classes where the images come from: a table (CSV) with the columns "
        "class and share",
    )


def run(arguments: argparse.Namespace) -> None:
    """Predict the images, and print or write the predictions."""
    from pixmill.serve.predict.delivery import Delivery
    from pixmill.serve.predict.inputs import find_images
    from pixmill.serve.predict.predicting import (
        FORMATS,
        Output,
        check_outputs,
        keeps_rows,
        predict_to_files,
    )
    from pixmill.serve.predict.showing import Summary

    outputs = [Output(name, path) for name in FORMATS for path in getattr(arguments, name)]
    check_outputs(outputs)
    if arguments.parquet:
        import pyarrow  # noqa: F401 (needed at the end; fail before the work)
    excluded = [*filter(None, [arguments.sort]), *(output.path for output in outputs)]
    images = find_images(arguments.inputs, excluded)
    root = find_project(Path.cwd())
    model = _find_model(arguments, root)
    summary = Summary(model)
    then = "goes on" if keeps_rows(root) else "begins anew"
    said = f"pixmill predict: interrupted; the same command {then}"
    log = open_log(arguments, root)
    delivery = Delivery(images, model, arguments.sort, arguments.xmp, root)
    if root is not None:
        leave_out(root, excluded)
    with interruptible(said), log or nullcontext():
        rows = predict_to_files(
            model, images, outputs, root=root, deliver=delivery.deliver, log=log
        )
        for row in rows:
            summary.add(row)
    written = delivery.lines()
    if outputs:
        written.append(f"Written: {', '.join(str(output.path) for output in outputs)}")
    _say(summary, written)
    summary.require(images)


def _say(summary: Summary, written: list[str]) -> None:
    """Print what was written, or the predictions."""
    if written:
        print("\n".join([*summary.lines(), *map(printable, written)]))
    elif summary.is_short:
        print("\n".join(summary.table()))
    else:
        print("\n".join(summary.lines()))
        announce("To write all predictions to a file: --csv, --jsonl, --parquet or --html FILE")


def _find_model(arguments: argparse.Namespace, root: Path | None) -> Model:
    """Return the named model, with the named classes and shares."""
    from pixmill.serve.predict.model import find_model
    from pixmill.serve.predict.shifting import read_prior, shift_model

    prior = arguments.prior and read_prior(arguments.prior)
    return shift_model(find_model(arguments.model, root), arguments.classes, prior)
