"""Show where an image comes from, and which models have seen it.

Prints its page, author and licence, every sighting, verdict, near-duplicates, split,
decisions and prediction, and the commits and MLflow runs whose split contains it; for
an unknown file, the training images most similar to it.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from pixmill.cli.parser import project_workspace
from pixmill.core.words import count, printable

EXAMPLES = (
    ("pixmill trace 1a2b3c4d", "an id, or its beginning"),
    ("pixmill trace photo.jpg", "a file"),
    ("pixmill trace https://shop.example/coat.jpg", "the URL of an image or of its page"),
    ("pixmill trace 1a2b3c4d --json | jq .image.licence", ""),
)

_LINES = (
    ("forgotten", "forgotten", "date commit by why"),
    ("label", "image", "label"),
    ("page", "image", "page_url"),
    ("author", "image", "author"),
    ("licence", "image", "licence"),
    ("verdict", "image", "verdict reason"),
    ("split", "image", "split fold"),
    ("file", "image", "path snapshot"),
    ("sighting", "sightings", "source query rank image_url page_url"),
    ("near-duplicate", "near_duplicates", "id similarity"),
    ("decision", "decisions", "decision label by why"),
    ("correction", "corrections", "label received"),
    ("prediction", "prediction", "predicted confidence held_out reason"),
    ("commits", "commits", "split label commits"),
    ("run", "runs", "split label name run started"),
    ("most like", "nearest", "similarity label id page_url author licence"),
)
"""Title, key in the trace, and columns of each kind of line."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("image", metavar="IMAGE", help="an id, a file, a path as in artifacts/scrape, or a URL")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Trace an image and print the result."""
    from pixmill.project.dataset.tracing import trace

    found = trace(project_workspace(), arguments.image)
    print(json.dumps(found, indent=2, ensure_ascii=False) if arguments.json else "\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'id':15} {found['id']}"
    if not (found["image"] or found["forgotten"]):
        yield f"{'image':15} not in this project"
    for title, key, columns in _LINES:
        rows = found[key] if isinstance(found[key], list) else [found[key]] if found[key] else []
        for row in _grouped(rows) if key == "commits" else rows:
            if shown := ", ".join(filter(None, (_shown(name, row.get(name)) for name in columns.split()))):
                yield f"{title:15} {shown}"
    if found["runs_fault"]:
        yield f"{'runs':15} unknown: {found['runs_fault']}"
    if lacking := found["unavailable"]:
        several = count(len(lacking), "older commit or run", "older commits and runs")
        yield f"{'unknown':15} {several}, whose split is not in DVC's cache: dvc fetch --all-commits"


def _grouped(commits: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one row for each series of commits in which an image has the same split and label."""
    for (split, label), group in groupby(commits, key=lambda each: (each["split"], each["label"])):
        series = list(group)
        ends = dict.fromkeys(f"{each['commit'][:7]} ({each['date']})" for each in (series[-1], series[0]))
        yield {"split": split, "label": label, "commits": f"{count(len(series), 'commit')}: {' to '.join(ends)}"}


def _shown(name: str, value: Any) -> str:
    if name == "split":
        return value or "dropped"
    if value is None or isinstance(value, str):
        return printable(value or "")
    title = name.replace("_", " ")
    return f"{title} {value:.3g}" if not isinstance(value, bool) else title if value else f"not {title}"
