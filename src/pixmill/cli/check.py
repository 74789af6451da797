"""Check params.yaml.

Exits 1 with one line for each wrong key.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from pixmill.cli.parser import project_root


def run(_: argparse.Namespace) -> None:
    """Print the classes and sources; exit 1 with one line per wrong key."""
    from pixmill.core.params import load_params
    from pixmill.pages.base import shorten

    params = load_params(project_root())
    sources = dict.fromkeys(name for label in params.classes for name in params.scrape.sources_of(label))
    print(
        f"params.yaml is valid: {len(params.classes)} classes ({shorten(', '.join(params.classes), 300)}); "
        f"images from {', '.join(sources)}"
    )
    python = shutil.which("python")
    if python is None or Path(python).parent.resolve() != Path(sys.executable).parent.resolve():
        print(
            f"warning: dvc would run {python or 'no python'}, not {sys.executable}\n"
            f'Next: export PATH="{Path(sys.executable).parent}:$PATH"',
            file=sys.stderr,
        )
