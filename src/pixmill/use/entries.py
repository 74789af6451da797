"""A params file as texts by key: what is edited here and there keeps its comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pixmill.params import Params

__all__ = ["Entry", "entries", "leaves", "text_of"]

_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z_]\w*):(?: |$)")


@dataclass(frozen=True)
class Entry:
    """Hold one key of a params file with the lines that belong to it.

    Args:
        name: The dotted name, such as ``train.cnn.blocks``.
        above: The comments and empty lines above it.
        lines: The key's own line and, where its value takes several, those too.
    """

    name: str
    above: tuple[str, ...]
    lines: tuple[str, ...]

    def with_value_of(self, other: Entry) -> Entry:
        """Return the entry with another's value and its own comments."""
        return replace(self, lines=other.lines)


def leaves(section: type[Any] = Params, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys that hold a value, not a section, in the order of their declaration."""
    for key, field in section.model_fields.items():
        name = f"{prefix}{field.alias or key}"
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            yield from leaves(field.annotation, f"{name}.")
        else:
            yield name


def entries(text: str) -> dict[str, Entry]:
    """Return the keys of a params file, by dotted name and in the order of the file.

    Args:
        text: A sound params file in block style: each section's keys stand on lines of their own.
    """
    values = set(leaves())
    found: dict[str, Entry] = {}
    path: list[tuple[int, str]] = []
    above: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            above.append(line)
            continue
        key = _KEY.match(line)
        indent = len(line) - len(line.lstrip())
        inside = bool(path) and path[-1][1] in values and (indent > path[-1][0] or key is None)
        if inside or key is None:
            # A value of several lines; a comment within it stays where it is.
            last = found[path[-1][1]]
            found[last.name] = replace(last, lines=(*last.lines, *above, line))
            above = []
            continue
        path = [item for item in path if item[0] < indent]
        name = f"{path[-1][1]}.{key['key']}" if path else key["key"]
        path.append((indent, name))
        found[name] = Entry(name, tuple(above), (line,))
        above = []
    return found


def text_of(parts: Mapping[str, Entry]) -> str:
    """Return the params file that is made of these entries."""
    return "".join(f"{line}\n" for entry in parts.values() for line in (*entry.above, *entry.lines))
