"""Show where an image comes from, and which models have seen it.

Prints its page, author and licence, every sighting, verdict, near-duplicates, split,
decisions and prediction, and the commits and MLflow runs whose split contains it; for
an unknown file, the training images most similar to it.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pixmill.cli.parser import project_workspace
from pixmill.core.words import printable

EXAMPLES = (
    ("pixmill trace 1a2b3c4d", "an id, or its beginning"),
    ("pixmill trace photo.jpg", "a file"),
    ("pixmill trace https://shop.example/coat.jpg", "the URL of an image or of its page"),
    ("pixmill trace 1a2b3c4d --json | jq .licence", ""),
)

_MAX_ROWS = 10
"""Maximum number of sightings, commits and the like to print."""

_SHORT = {"id": 12, "commit": 12, "split_md5": 0}
"""Characters of digests to print in a row."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "image", metavar="IMAGE", help="an id, a file, a path as in artifacts/scrape, or a URL"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Trace an image and print the result."""
    from pixmill.dataset.tracing import trace

    found = trace(project_workspace(), arguments.image)
    print(
        json.dumps(found, indent=2, ensure_ascii=False)
        if arguments.json
        else "\n".join(_lines(found))
    )


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        rows = value if isinstance(value, list) else [value]
        if name == "sightings":  # without an empty rank or thumbnail
            rows = [{column: cell for column, cell in row.items() if cell} for row in rows]
        yield from (f"{name + ':':17}{text}" for row in rows[:_MAX_ROWS] if (text := _text(row)))
        if len(rows) > _MAX_ROWS:
            yield f"{'':17}and {len(rows) - _MAX_ROWS:,} more: --json"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        texts = {name: _text(each)[: _SHORT.get(name)] for name, each in value.items()}
        return ", ".join(f"{name} {text}" for name, text in texts.items() if text)
    return (
        ""
        if value is None
        else f"{value:.3g}"
        if isinstance(value, float)
        else printable(str(value))
    )
