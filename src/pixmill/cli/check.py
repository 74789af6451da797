"""Check params.yaml.

Exits 1 with one line for each wrong key.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import project_root
from pixmill.core.errors import DataError

if TYPE_CHECKING:
    from pixmill.core.params import Params

_NAMED = 20
"""Classes that a line names."""


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
    if "folder" in sources:
        for line in _folders(params, project_root() / "data"):
            print(f"warning: {line}", file=sys.stderr)
    python = shutil.which("python")
    if python is None or Path(python).parent.resolve() != Path(sys.executable).parent.resolve():
        print(
            f"warning: dvc would run {python or 'no python'}, not {sys.executable}\n"
            f'Next: export PATH="{Path(sys.executable).parent}:$PATH"',
            file=sys.stderr,
        )


def _folders(params: Params, data: Path) -> Iterator[str]:
    """Yield what is amiss with the folders of ``data/``, from which the source ``folder`` takes its images."""
    from pixmill.scrape.sources.folder import FolderSource

    try:
        there = FolderSource(data, layout=params.scrape.folder.layout).labels()
    except DataError as error:
        yield error.message
        return
    wanted = [label for label in params.classes if "folder" in params.scrape.sources_of(label)]
    if missing := [label for label in wanted if label not in there]:
        yield f"{data.name} has no images of {', '.join(missing[:_NAMED])}{', …' if len(missing) > _NAMED else ''}"
    if unknown := [label for label in there if label not in params.classes]:
        more = ", …" if len(unknown) > _NAMED else ""
        named = ", ".join(unknown[:_NAMED])
        yield f"{data.name}/ has folders that are not among the classes of params.yaml: {named}{more}"
