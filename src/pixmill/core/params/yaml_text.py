"""Parse YAML with DVC's parser, within limits, and edit YAML without losing comments."""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from pixmill.core.errors import ParamsError

NEXT = "edit params.yaml, then: pixmill doctor --quick"

_MAX_BYTES = 2**20
"""A thousand classes with ten queries each take a tenth of it."""

_MAX_VALUES = 50_000
"""Maximum number of values, with aliases expanded; parsing them takes four seconds."""

_VALUE = re.compile(r'[\[{,&*!]|[-?:](?=\s)|":')
"""Delimiters of values, counted before parsing."""


class _Constructor(SafeConstructor):
    """A YAML constructor that limits the expansion of aliases."""

    def construct_document(self, node: Node) -> Any:
        if _values(node, {}) > _MAX_VALUES:
            problem = (
                f"has aliases that expand to more than {_MAX_VALUES:,} values, or to themselves"
            )
            raise ConstructorError(None, None, problem, node.start_mark)
        return super().construct_document(node)


def _values(node: Node, known: dict[int, float]) -> float:
    """Count the values of a node with aliases expanded; infinite if it contains itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = node.value if isinstance(node.value, list) else ()
        each = (item for part in parts for item in (part if isinstance(part, tuple) else (part,)))
        known[id(node)] = 1 + sum(_values(item, known) for item in each)
    return known[id(node)]


def read_text(path: Path) -> str:
    """Read a params file, with Unix line ends.

    Raises:
        ParamsError: The path is missing, not readable, larger than 1 MiB, or not UTF-8.
    """
    if not path.exists():
        raise ParamsError(
            f"{path} is missing", next=f"cd to the project's folder, or: git checkout {path.name}"
        )
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ParamsError(
            f"{path} cannot be read: {error.strerror}", next=f"ls -ld {path}"
        ) from None
    if len(content) > _MAX_BYTES:
        raise ParamsError(f"{path} is larger than 1 MiB", next=f"git diff {path}")
    try:
        return io.StringIO(content.decode("utf-8"), newline=None).read()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ParamsError(
            f"{path}: expected UTF-8, received the byte 0x{content[error.start]:02x} in line "
            f"{line}",
            next=f"save {path} as UTF-8, then: pixmill doctor --quick",
        ) from None


def parse_yaml(text: str, *, file: str = "params.yaml") -> Any:
    """Parse a YAML document.

    Args:
        text: The document.
        file: Name for errors.

    Raises:
        ParamsError: The text is not a valid YAML 1.2 document, is larger than 1 MiB, or has more
            than 50,000 values.
    """
    following = NEXT if file == "params.yaml" else f"git diff {file}"
    if len(text) > _MAX_BYTES or sum(1 for _ in _VALUE.finditer(text)) > 2 * _MAX_VALUES:
        raise ParamsError(
            f"{file}: expected at most {_MAX_BYTES:,} bytes and {_MAX_VALUES:,} values",
            next=following,
        )
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # the last anchor wins
            return yaml.load(text)
    # Bugs of ruamel.yaml, such as for a %YAML line of an unknown version, raise other errors.
    except (YAMLError, AssertionError, LookupError, TypeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = (
            getattr(error, "problem", None) or (str(error) or type(error).__name__).splitlines()[0]
        )
        template = "; {{ }} looks like an unfilled template" if "{{" in text else ""
        raise ParamsError(
            f"{file}: expected YAML, received an error{where}: {problem}{template}", next=following
        ) from None
    except RecursionError:
        raise ParamsError(
            f"{file}: expected sections, received lists nested too deeply", next=following
        ) from None


def set_values(text: str, values: Mapping[str, Any]) -> str:
    r"""Set values in a valid YAML mapping of sections.

    All else, such as comments and layout, stays as it is.

    Args:
        text: The document, in block style.
        values: New values; those of a nested mapping are set in the section of that name.

    >>> set_values("a:\n  b: 1  # one\n\n# two\nc: 3\n", {"a": {"b": 2, "d": [4]}})
    'a:\n  b: 2  # one\n  d: [4]\n\n# two\nc: 3\n'
    """
    text = text.rstrip("\n") + "\n"
    edits = sorted(_edits(text, YAML().compose(text), values), key=lambda edit: edit[0])
    for start, end, new in reversed(edits):
        text = text[:start] + new + text[end:]
    return text


Edit = tuple[int, int, str]
"""Start, end and replacement of a part of a text."""


def _edits(text: str, owner: Any, values: Mapping[str, Any]) -> Iterator[Edit]:
    """Yield the changes that set values in a mapping."""
    found = {key.value: (key, node) for key, node in owner.value}
    added = {}
    for name, value in values.items():
        if name not in found:
            added[name] = value
            continue
        key, node = found[name]
        if isinstance(value, Mapping) and isinstance(node, MappingNode) and node.value:
            yield from _edits(text, node, value)
        else:
            yield from _replacement(text, owner, key, node, value)
    if added:
        yield _addition(text, owner, added)


def _replacement(text: str, owner: Any, key: Node, node: Any, value: Any) -> Iterator[Edit]:
    """Yield the changes that give a key another value; the rest of its line is kept."""
    colon = text.index(":", key.end_mark.index) + 1
    # A list of sections in one line remains in one line.
    has_sections = isinstance(node, CollectionNode) and any(
        isinstance(item, MappingNode) for item in node.value
    )
    is_flow = owner.flow_style or (has_sections and node.flow_style)
    head, line, rest = _render({key.value: value}, flow=is_flow).partition("\n")
    head = head[len(_render({key.value: 0}, flow=is_flow)) - len(" 0") :]
    below = line + textwrap.indent(rest, " " * key.start_mark.column)
    end = _end(text, key, node)
    last = text.index("\n", end)
    if isinstance(node, CollectionNode) and not node.flow_style:
        # A block, whose lines are replaced; a comment beside the key stays.
        yield colon, colon, head
        yield text.index("\n", colon), last, below
        return
    comment = last - len(text[end:last].lstrip())
    if text[comment] == "#" and not owner.flow_style:  # It stays in its column.
        head = f"{head} ".ljust(comment - colon)
        end = comment
    yield colon, end, head
    yield last, last, below


def _addition(text: str, owner: Any, values: Mapping[str, Any]) -> Edit:
    """Return the change that adds keys at the end of a mapping."""
    if owner.flow_style:
        # Before a comma at the end, and comments.
        if not owner.value:
            place = owner.start_mark.index + 1
            return place, place, _render(values, flow=True)
        place = _end(text, *owner.value[-1])
        return place, place, f", {_render(values, flow=True)}"
    if owner.start_mark.column == 0:
        return len(text), len(text), f"\n{_render(values)}\n"
    key, node = owner.value[-1]
    place = text.index("\n", _end(text, key, node))
    indent = " " * key.start_mark.column
    return place, place, "\n" + textwrap.indent(_render(values), indent)


def _end(text: str, key: Node, node: Any) -> int:
    """Return where the value of a key ends, without the comments and blank lines that follow it."""
    if not node.value and not isinstance(node, CollectionNode) and node.style is None:
        return int(key.end_mark.index) + 1  # It is omitted, and has the place of the next token.
    if not isinstance(node, CollectionNode) or node.flow_style:
        # That of a folded text is the next token.
        return len(text[: node.end_mark.index].rstrip())
    last = node.value[-1]
    return _end(text, *last) if isinstance(last, tuple) else _end(text, last, last)


def _render(values: Mapping[str, Any], *, flow: bool = False) -> str:
    """Return values as YAML, without the line end.

    With ``flow``, in one line without its braces.
    """
    yaml: Any = YAML(typ="safe", pure=True)
    text = io.StringIO()
    yaml.width = _MAX_BYTES if flow else 120
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False
    yaml.default_flow_style = (
        flow or None
    )  # None: what has only scalars is in one line; the list keeps the whole out.
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.dump(values if flow else {**values, "_": []}, text)
    return text.getvalue().strip()[1:-1] if flow else text.getvalue().removesuffix("\n_: []\n")
