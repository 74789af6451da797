"""Predict the class of images: files, folders, URLs, or standard input.

Prints a table of a few images, else a summary; the options write all
predictions to files. A file that is not an image is a row with the reason. A
run that was killed goes on where it was: repeat the command.
"""

import argparse
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from pixmill.cli.parser import find_project
from pixmill.core.progress import announce

EXTRAS = ("serve", "registry")

EXAMPLES = (
    ("pixmill predict photo.jpg", "predict the class of an image"),
    ("pixmill predict photos/ --csv answers.csv", "a table for spreadsheets"),
    ("pixmill predict photos/ --html gallery.html", "a page to look through"),
    ("pixmill predict 'photos/**/*.png' https://example.org/shoe.jpg", ""),
    ("find . -name '*.jpg' -newer last | pixmill predict - --jsonl answers.jsonl", ""),
    ("pixmill predict photo.jpg --model models:/garments@champion", ""),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="an image, a folder (with its subfolders), a pattern, a URL, or - for standard input: an image, or lines "
        "of paths and URLs",
    )
    parser.add_argument(
        "--model",
        help="a folder like artifacts/train, an exported .tflite file, or a model in MLflow: models:/NAME/VERSION, "
        "models:/NAME@ALIAS, models:/MODEL_ID or runs:/RUN_ID; default: the project's own",
    )
    for name, text in (
        ("csv", "write a table as CSV"),
        ("jsonl", "write one JSON object per line"),
        ("parquet", "write a table as Parquet"),
        ("html", "write a gallery to look through"),
    ):
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, action="append", default=[], help=text)


def run(arguments: argparse.Namespace) -> None:
    """Predict the images, and print what came out."""
    from pixmill.predict.inputs import find_images
    from pixmill.predict.model import find_model
    from pixmill.predict.predicting import FORMATS, Output, check_outputs, predict, predict_to_files
    from pixmill.predict.prediction_journal import PredictionJournal
    from pixmill.predict.showing import FEW, Tally, table

    stdin = cast(BufferedIOBase, sys.stdin.buffer) if sys.stdin else None
    outputs = [Output(name, path) for name in FORMATS for path in getattr(arguments, name)]
    check_outputs(outputs)
    if arguments.parquet:
        import pyarrow  # noqa: F401 (writes it at the end: where it is missing, nothing is begun)
    find_images(arguments.inputs, stdin)
    model = find_model(arguments.model, find_project())
    tally = Tally()
    if not outputs:
        from pixmill.core.progress import track

        images = find_images(arguments.inputs, stdin)
        for _, row in track(predict(model, images), "Predict", images.count()):
            tally.add(row)
        if 0 < tally.n <= FEW:
            print("\n".join(table(tally.rows, model)))
            return
        print("\n".join(tally.lines(model)))
        announce("Write every prediction to a file with --csv, --jsonl, --parquet or --html FILE")
        return
    journal = PredictionJournal(outputs[0].path, model)
    images = find_images(arguments.inputs, stdin, [*journal.files, *(output.path for output in outputs)])
    try:
        for written in predict_to_files(model, images, outputs, journal):
            tally.add(written)
    except KeyboardInterrupt:
        announce("Stopped. Repeat the command to go on: finished images are kept")
        raise
    print("\n".join([*tally.lines(model), f"Written: {', '.join(str(output.path) for output in outputs)}"]))
