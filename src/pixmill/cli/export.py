"""Export the model as a file for a colleague or an app, or the images.

The files of the model (LiteRT, ONNX, Keras) return calibrated probabilities; html is a
page that predicts images in any browser, without a network. Each file is compared with
the model on the test split; one that differs too much is deleted, and the command exits
1. The folder also gets labels.txt and a model card, README.md, for model hubs. A
previous export in the folder is replaced.

With --data DIR the images are exported by split and class, with metadata, a card,
attributions and croissant.json.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import number, project_root
from pixmill.core.errors import PixmillError
from pixmill.core.process.progress import announce
from pixmill.core.repository.git import leave_out
from pixmill.core.words import count, first_of

if TYPE_CHECKING:
    from pixmill.serve.export.exporting import ExportResult

_FORMATS = ("litert", "int8", "onnx", "keras", "html")
"""Keys of ``pixmill.serve.export.conversion.FORMATS``, whose import is slow."""

_MAX_MAIL_BYTES = 18_000_000
"""Size of an attachment up to which mails pass: providers allow 25 MB, and it grows by 37 %."""

EXAMPLES = (
    ("pixmill export", "export the model in all formats, to exported/"),
    ("pixmill export html", "one file that anyone can open in a browser"),
    ("pixmill export litert int8", "for phones"),
    (
        "pixmill export --data to-share --licence cc-by,cc0",
        "the images of these licences, as a data set",
    ),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    formats = f"{', '.join(_FORMATS)} (default: all)"
    parser.add_argument("formats", nargs="*", type=_format, metavar="FORMAT", help=formats)
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="artifacts/train, or a model in MLflow (default: the one in production, else the one "
        "that was trained last)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder to write to (default: exported)"
    )
    share = number("a number from 0 to 1", float, 0, 1)
    parser.add_argument(
        "--small",
        action="store_true",
        help="html with weights of half precision: two thirds of the size, to model_small.html",
    )
    drop = "largest drop of test accuracy, for int8 and --small (default: 0.03, three points)"
    parser.add_argument("--max-drop", type=share, default=0.03, metavar="SHARE", help=drop)
    licence = (
        "of the model, such as cc-by-4.0; with --data: of the images, such as cc-by,cc0 "
        "(default: all known ones)"
    )
    parser.add_argument(
        "--contact", metavar="WHO", help="html: whom to ask about the model, such as a mail address"
    )
    parser.add_argument("--licence", "--license", metavar="ID", help=licence)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="export the images to this folder, not the model"
    )
    forms = ("imagefolder", "csv", "label-studio")
    parser.add_argument("--format", choices=forms, help="format of --data (default: imagefolder)")
    parser.add_argument(
        "--include-unknown",
        action="store_true",
        help="with --data: also images of unknown licences",
    )


def run(arguments: argparse.Namespace) -> None:
    """Export, print a table, and exit 1 if a format failed the comparison."""
    if arguments.data is not None:
        _export_data(arguments)
        return
    if arguments.format or arguments.include_unknown:
        raise PixmillError(
            "--format and --include-unknown are for the images", next="add --data DIR"
        )
    from pixmill.serve.export.conversion import SMALL
    from pixmill.serve.export.exporting import export

    if arguments.small and arguments.formats != ["html"]:
        raise PixmillError("--small is for html", next="pixmill export html --small")
    root = project_root()
    folder = arguments.output or (Path() if root == Path.cwd() else root) / "exported"
    done = export(
        root,
        folder,
        [SMALL] if arguments.small else arguments.formats,
        model=arguments.model,
        max_drop=arguments.max_drop,
        licence=arguments.licence,
        contact=arguments.contact,
    )
    leave_out(root, [folder])
    _report(done)
    if done.refused:
        sys.exit(1)


def _report(done: "ExportResult") -> None:
    from pixmill.serve.export.card import agreement_rows
    from pixmill.serve.export.conversion import FORMATS, PAGES

    if done.checked:
        n = next(iter(done.checked.values()))[0].n
        rows = agreement_rows(done.checked, is_exclusive=done.is_exclusive)
        print(f"Compared with the model on {n:,} test images:\n\n{_table(rows)}\n")
        print(f"Written to {done.folder}/, with labels.txt and README.md, the model card")
    if done.removed:
        announce(f"Removed, of the earlier export: {', '.join(done.removed)}")
    for name, command in done.missing.items():
        announce(f"{name} was skipped, since this installation cannot make it. Next: {command}")
    for name, reason in done.refused.items():
        announce(f"{FORMATS[name]} was refused: {reason}")
    for name, (_, size) in done.checked.items():
        if name in PAGES:
            announce(f"Open it in a browser: {done.folder / FORMATS[name]}")
        if name == "html" and size > _MAX_MAIL_BYTES:
            announce(
                "Too large for many mails; two thirds of the size: pixmill export html --small"
            )
    if "litert" in done.checked:
        announce(
            f"Next: pixmill predict --model {shlex.quote(str(done.folder / FORMATS['litert']))} "
            "photo.jpg"
        )


def _export_data(arguments: argparse.Namespace) -> None:
    if arguments.formats or arguments.output or arguments.model or arguments.small:
        raise PixmillError(
            "formats of the model, --model, --output and --small are not for the images",
            next="leave out --data",
        )
    from pixmill.core.params import load_params
    from pixmill.dataset.exporting.choosing import NEXT, choose, describe, parse_licences
    from pixmill.dataset.exporting.writing import export_data

    root = project_root()
    params = load_params(root)
    licences = parse_licences(arguments.licence or "")
    choice = choose(root, params, licences=licences, include_unknown=arguments.include_unknown)
    export_data(choice, arguments.data, form=arguments.format or "imagefolder", root=root)
    leave_out(root, [arguments.data])
    print(
        f"{count(len(choice.images), 'image')} written to {arguments.data}/, with README.md, the "
        "data set card"
    )
    if choice.withheld:
        announce(f"Left out because of their licences: {describe(choice.withheld)}")
    if choice.absent:
        announce(f"No images are left of: {first_of(choice.absent)}\nNext: {NEXT}")


def _format(text: str) -> str:
    if text not in _FORMATS:
        raise argparse.ArgumentTypeError(f"expected {', '.join(_FORMATS)}, received '{text}'")
    return text


def _table(rows: Sequence[Sequence[str]]) -> str:
    from pixmill.pages.page import align

    headings, *others = rows
    lines = "\n".join("\t".join((*row, "")) for row in others)
    return align([headings[0], *(f">{heading}" for heading in headings[1:])], lines, 100)
