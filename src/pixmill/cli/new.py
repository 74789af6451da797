"""Create a project for your own images.

A project is a small Git and DVC repository. In an existing folder, `pixmill new .`
adds missing files and changes nothing else.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pixmill.cli.parser import add_reading_options, reading_options
from pixmill.core.cells import Task
from pixmill.core.process.progress import announce
from pixmill.core.words import printable_lines

EXAMPLES = (
    ("pixmill new shoes --demo", "a project with the bundled images, to look around"),
    (
        "pixmill new pets --from ~/photos",
        "with a copy of your images: a folder, an archive, or a table",
    ),
    (
        "pixmill new shop --from labels.csv --unlisted no",
        "with several labels an image, which lacks those that its row does not list",
    ),
    ("pixmill new pets --classes cat,dog", "with an empty folder for each class"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "folder", metavar="NAME", type=Path, help="project folder; `.` for the current one"
    )
    recipe = "recipe to start from (default: best; with --demo: fast); `pixmill use` lists them"
    classes = (
        "names of the classes, in double quotes if they contain commas; with --from: take "
        "only these"
    )
    source = (
        "copy labelled images: a folder, an archive (.zip, .tar.gz), a table (CSV, JSON "
        "Lines, Parquet), or a label file (COCO, CVAT, VIA, Datumaro, Label Studio)"
    )
    origin = (
        "origin for teammates and CI; default: that of the running pixmill, as a wheel in "
        "wheels/ if it is local"
    )
    parser.add_argument("--recipe", help=recipe)
    parser.add_argument("--classes", metavar="A,B,C", help=classes)
    parser.add_argument("--from", dest="source", metavar="X", type=Path, help=source)
    add_reading_options(parser)
    task = "whether an image has one label, or several or none; default: recognised"
    parser.add_argument("--task", choices=get_args(Task), help=task)
    parser.add_argument("--demo", action="store_true", help="copy the bundled images")
    parser.add_argument(
        "--remote", metavar="URL", help="DVC remote of the team: a folder, s3://…, ssh://…"
    )
    parser.add_argument("--mlflow", metavar="URL", help="MLflow server of the team")
    parser.add_argument("--pixmill", metavar="URL#sha256=…|GIT@COMMIT|WHEEL", help=origin)


def run(arguments: argparse.Namespace) -> None:
    """Create the project and print the next commands."""
    import dvc  # noqa: F401 (a subprocess uses it; fail before anything is written)

    from pixmill.core.process.lifetime import interruptible
    from pixmill.project.new.creating import ProjectSpec, create

    names = ("folder", "recipe", "source", "dry_run", "demo", "remote", "mlflow", "pixmill")
    options = {name: getattr(arguments, name) for name in names}
    with interruptible("interrupted; the same command completes the project"):
        several = {"one_label": False, "labels": True}.get(arguments.task)
        reading = replace(reading_options(arguments), several=several)
        lines = create(ProjectSpec(**options, reading=reading), report=announce)
        print(printable_lines("\n".join(lines)))
