"""A params file as texts by key: what is edited here and there keeps its comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from pixmill.core.params import Params

__all__ = ["Entry", "entries", "leaves", "text_of"]


@dataclass(frozen=True)
class Entry:
    """Hold one key of a params file with the lines that belong to it.

    Args:
        above: The comments and empty lines above it.
        lines: The key's own line and, where its value takes several, those too.
    """

    above: tuple[str, ...]
    lines: tuple[str, ...]


def leaves(section: type[Any] = Params, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys that hold a value, not a section, in the order of their declaration."""
    for key, field in section.model_fields.items():
        name = f"{prefix}{field.alias or key}"
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            yield from leaves(field.annotation, f"{name}.")
        else:
            yield name


def entries(text: str) -> dict[str, Entry]:
    """Return the keys of a params file by dotted name, in the order of the file; a section in braces is one value.

    Args:
        text: A sound params file.
    """
    lines = text.splitlines()
    keys = [*_keys(YAML().compose(text), set(leaves())), (len(lines), "")]
    result, above = {}, 0
    for (first, name), (following, _) in pairwise(keys):
        # The comments before a key are its own; those at the end belong to the last one.
        last = following
        while last < len(lines) and lines[last - 1].strip()[:1] in ("", "#"):
            last -= 1
        result[name] = Entry(tuple(lines[above:first]), tuple(lines[first:last]))
        above = last
    return result


def _keys(node: Node, values: set[str], prefix: str = "") -> Iterator[tuple[int, str]]:
    """Yield the line of each key, counted from 0, and its dotted name."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        yield key.start_mark.line, name
        if isinstance(value, MappingNode) and not value.flow_style and name not in values:
            yield from _keys(value, values, f"{name}.")


def text_of(parts: Mapping[str, Entry]) -> str:
    """Return the params file that is made of these entries."""
    return "".join(f"{line}\n" for entry in parts.values() for line in (*entry.above, *entry.lines))
