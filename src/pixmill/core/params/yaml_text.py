"""Parse YAML with DVC's parser, within limits, and edit YAML without losing comments."""

import io
import itertools
import re
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import Node

from pixmill.core.errors import ParamsError

NEXT = "edit params.yaml, then: pixmill check"

_MAX_BYTES = 2**20
"""A thousand classes with ten queries each take a tenth of it."""

_MAX_VALUES = 50_000
"""Maximum number of values, with aliases expanded; parsing them takes four seconds."""

_VALUE = re.compile(r'[\[{,&*!]|[-?:](?=\s)|":')
"""Delimiters of values, counted before parsing."""

_MAX_DEPTH = 200
"""Maximum nesting of brackets; parsing takes quadratic time."""


class _Constructor(SafeConstructor):
    """A YAML constructor that limits the expansion of aliases."""

    def construct_document(self, node: Node) -> Any:
        if _values(node, {}) > _MAX_VALUES:
            problem = f"has aliases that expand to more than {_MAX_VALUES:,} values, or to themselves"
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
        ParamsError: The path is missing, not a file, not readable, larger than 1 MiB, or not UTF-8.
    """
    if not path.exists():
        raise ParamsError(f"{path} is missing", next=f"cd to the project's folder, or: git checkout {path.name}")
    if not path.is_file():
        raise ParamsError(f"{path}: expected a file, received a folder, pipe or device", next=f"ls -ld {path}")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}", next=f"ls -ld {path}") from None
    if len(content) > _MAX_BYTES:
        raise ParamsError(f"{path} is larger than 1 MiB", next=f"git diff {path}")
    try:
        return io.StringIO(content.decode("utf-8"), newline=None).read()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ParamsError(
            f"{path}: expected UTF-8, received the byte 0x{content[error.start]:02x} in line {line}",
            next=f"save {path} as UTF-8, then: pixmill check",
        ) from None


def parse_yaml(text: str, *, file: str = "params.yaml") -> Any:
    """Parse a YAML document.

    Args:
        text: The document.
        file: Name for errors.

    Raises:
        ParamsError: The text is not a valid YAML 1.2 document, is larger than 1 MiB, or has more than 50,000 values.
    """
    following = NEXT if file == "params.yaml" else f"git diff {file}"
    if len(text) > _MAX_BYTES or sum(1 for _ in _VALUE.finditer(text)) > 2 * _MAX_VALUES:
        raise ParamsError(f"{file}: expected at most {_MAX_BYTES:,} bytes and {_MAX_VALUES:,} values", next=following)
    opened = itertools.accumulate(1 if found[0] in "[{" else -1 for found in re.finditer(r"[][{}]", text))
    if max(opened, default=0) > _MAX_DEPTH:
        raise ParamsError(f"{file}: expected sections, received lists nested too deeply", next=following)
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # the last anchor wins
            return yaml.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        template = "; {{ }} looks like an unfilled template" if "{{" in text else ""
        raise ParamsError(
            f"{file}: expected YAML, received an error{where}: {problem}{template}", next=following
        ) from None
    except RecursionError:
        raise ParamsError(f"{file}: expected sections, received lists nested too deeply", next=following) from None
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        # Bugs of ruamel.yaml, such as for a %YAML line of an unknown version.
        raise ParamsError(f"{file}: expected YAML, received an error: {error}", next=following) from None


def load_commented(text: str) -> Any:
    """Parse valid YAML into mappings that retain comments."""
    return _yaml().load(text)


def dump_commented(content: Any) -> str:
    """Serialize content from :func:`load_commented` with its comments."""
    text = io.StringIO()
    _yaml().dump(content, text)
    return text.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
