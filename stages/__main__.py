"""MLflow's way into the pipeline: ``python -m stages train --epochs=3``; an empty value is that of ``params.yaml``."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from pixmill.errors import PixmillError
from pixmill.params import load_params
from pixmill.params.overrides import parse_overrides, settings

# The parameters that MLproject passes on, by stage; its entry point `main`, the whole pipeline, takes them all.
PARAMETERS = {
    "scrape": ("source", "snapshot", "per_class"),
    "validate": ("duplicate_distance", "duplicate_similarity"),
    "split": ("image_size", "aspect", "salt"),
    "train": ("epochs", "learning_rate", "batch_size", "patience", "seed"),
    "evaluate": ("mistakes", "draws"),
}


def arguments() -> tuple[str, dict[str, str]]:
    """Return the entry point and the texts that were given, by dotted name."""
    parser = argparse.ArgumentParser(prog="python -m stages", allow_abbrev=False)
    entries = parser.add_subparsers(dest="entry", required=True)
    for entry in ("main", *PARAMETERS):
        options = entries.add_parser(entry, allow_abbrev=False)
        for stage in PARAMETERS if entry == "main" else (entry,):
            for name in PARAMETERS[stage]:
                options.add_argument(f"--{name}", dest=f"{stage}.{name}", default="")
    given, unknown = parser.parse_known_args()
    entry = (texts := vars(given)).pop("entry")
    if unknown:
        there = ", ".join(name.split(".")[1] for name in texts)
        parser.exit(2, f"{entry}: there is no parameter {unknown[0]}; there are: {there}\nNext: edit params.yaml\n")
    return entry, {name: text for name, text in texts.items() if text}


def main() -> int:
    """Let DVC run what the entry point stands for, with what was given, and return its exit status."""
    entry, texts = arguments()
    try:
        values = parse_overrides(load_params(Path.cwd()), texts)
    except PixmillError as error:
        sys.exit(f"{entry}: {error}")
    command = ["exp", "run", *(f"--set-param={text}" for text in settings(values))] if values else ["repro"]
    command += [] if entry == "main" else [entry]
    # Ctrl-C is for DVC and its stage, which know how to end well: here it is waited for.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.call([sys.executable, "-m", "dvc", *command])  # noqa: S603
    if values:
        print("params.yaml is edited. To go back: git checkout params.yaml dvc.lock metrics plots && dvc checkout")  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
