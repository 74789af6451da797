"""Take more images into the project, as other tools left them.

Reads folders, archives (.zip, .tar.gz), tables of files or URLs (CSV, JSON Lines, Parquet),
and label files of Label Studio, COCO, CVAT, VIA and Datumaro. Images are copied into data/,
their labels, splits, groups and origins into data/metadata.csv. An image that data/ has
already is skipped; if it has no label there, the given one becomes a row of decisions.csv.
A zip of corrections, from a model in one HTML file, goes into inbox/, for `pixmill review`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import add_reading_options, project_root, reading_options
from pixmill.core.process.progress import announce
from pixmill.core.words import printable_lines

if TYPE_CHECKING:
    from pixmill.core.params import Params
    from pixmill.dataset.detected import Detected

EXAMPLES = (
    ("pixmill import ~/photos.zip --dry-run", "list images and labels of an archive"),
    ("pixmill import ~/photos.zip", "copy its images into data/"),
    ("pixmill import ~/photos --label cat", "all images of a folder are of one class"),
    ("pixmill import labels.csv --columns image=id,label=breed", "images that a table lists"),
    ("pixmill import project-1.json --votes majority", "images that several people labelled"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("source", metavar="X", type=Path, help="folder, archive or table")
    parser.add_argument("--classes", metavar="A,B,C", help="take only images with these labels")
    parser.add_argument(
        "--label", help="label of all images of a folder or archive; unlabelled: none"
    )
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Import, and print what was recognised and copied."""
    root = project_root()
    import dvc  # noqa: F401 (a subprocess uses it; fail before anything is written)

    from pixmill.core.names import to_slug
    from pixmill.core.params import load_params
    from pixmill.dataset.corrections_file import describe, has_corrections, take_in
    from pixmill.dataset.deciding import default_name
    from pixmill.dataset.detection import introduce, recognise, refuse_overlap
    from pixmill.dataset.importing import import_into, scratch_of
    from pixmill.dataset.inbox import Inbox

    refuse_overlap(arguments.source, root / "data")
    if has_corrections(arguments.source):
        said = "Would copy corrections into inbox/\nNext: the same command without --dry-run"
        if not arguments.dry_run:
            outcomes = take_in(arguments.source, Inbox(root / "inbox"))
            said = f"{describe(arguments.source, outcomes)}\nNext: pixmill review --only feedback"
        print(printable_lines(said))
        return
    with scratch_of(root) as scratch:
        known = load_params(root)
        options = replace(
            reading_options(arguments),
            least=1,
            label=arguments.label,
            several=known.task == "labels",
        )
        found = recognise(arguments.source, scratch, options)
        if not arguments.dry_run:
            announce(introduce(found))
        lines = import_into(
            root,
            found,
            scratch,
            to_slug(arguments.source.stem),
            by=default_name(root),
            dry_run=arguments.dry_run,
        )
        if not arguments.dry_run:
            facts = [item.facts for item in found.items]
            grid = ["  pixmill review --grid   (gives labels to the images without one)"]
            label = grid if not all(map(found.labels_in, facts)) else []
            lines = [
                *found.remarks,
                *lines,
                *_small_classes(known, found),
                "Next:",
                *label,
                "  pixmill doctor --quick && dvc repro",
            ]
    print(printable_lines("\n".join(lines)))


def _small_classes(params: Params, found: Detected) -> list[str]:
    """Return a line for each new class with too few images to pass the checks."""
    least = params.validate.min_per_class.count
    counts = Counter(label for item in found.items for label in found.labels_in(item.facts))
    return [
        f"{label} has {number} of the {least} images that a class needs: add more"
        for label, number in counts.items()
        if label not in params.classes and number < least
    ]
