"""MLflow's entry point: ``python -m stages train train.epochs=3``; empty: as in params.yaml."""

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.params import load_params, parse_overrides
from pixmill.core.process.account import complete_account
from pixmill.core.repository.stage_inputs import RESULTS


def parse_arguments(arguments: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the entry point of MLproject and the non-empty values by dotted name."""
    if not arguments or arguments[0].startswith("-"):
        sys.exit("usage: python -m stages main|<stage> [section.key=value ...]")
    entry, *pairs = arguments
    declared = list(
        itertools.takewhile(lambda pair: "=" in pair and not pair.startswith("-"), pairs)
    )
    texts = dict(pair.split("=", 1) for pair in declared)
    if unknown := pairs[len(declared) :]:  # MLflow appends undeclared ones as `--name value`.
        names = ", ".join(name.split(".")[-1] for name in texts)
        sys.stderr.write(
            f"{entry}: unknown parameter {unknown[0]}; known: {names}\nNext: edit params.yaml\n"
        )
        sys.exit(2)
    return entry, {name: text for name, text in texts.items() if text}


def setting(name: str, value: Any) -> str:
    """Return an option of ``dvc exp run`` in Hydra's grammar; strings are quoted."""
    quoted = (
        '"{}"'.format(value.replace('"', r"\"")) if isinstance(value, str) else json.dumps(value)
    )
    return f"--set-param=++{name}={quoted}"


def main() -> int:
    """Run the entry point's stages with DVC and the given values, and return the exit status."""
    complete_account()
    entry, texts = parse_arguments(sys.argv[1:])
    root = Path.cwd()
    if not find_spec("dvc"):  # The subprocess below would not name the extra to install.
        raise ModuleNotFoundError("No module named 'dvc'", name="dvc")
    try:
        values = parse_overrides(load_params(root), texts)
    except PixmillError as error:
        sys.exit(f"{entry}: {error}")
    command = (
        ["exp", "run", *(setting(name, value) for name, value in values.items())]
        if values
        else ["repro"]
    )
    command += [] if entry == "main" else [entry]
    # DVC and its stage handle Ctrl-C; this process waits for them.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.call([sys.executable, "-m", "dvc", *command])  # noqa: S603
    if values:
        keep = f"To keep them: git add params.yaml {' '.join(RESULTS)} && git commit"
        sys.stdout.write(
            f"params.yaml holds the new values. {keep if status == 0 else 'To resume: dvc repro'}\n"
        )
    return status
