"""Read YAML with DVC's own reader, so that both see the same values, and refuse what DVC would stumble over."""

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

_LIMIT = 2**20
"""In bytes: a thousand classes with ten queries each take a tenth of it."""

_ITEMS = 50_000
"""The most values of a document, each alias counted with all that it stands for. They take the parser four seconds."""

_ITEM = re.compile(r'[\[{,&*!]|[-?:](?=\s)|":')
"""What begins or ends a value, counted before they are parsed."""

_DEEPEST = 200
"""The deepest nesting in brackets: the parser's time grows with its square."""


class _Constructor(SafeConstructor):
    """A constructor of YAML that refuses aliases which stand for more values than memory holds."""

    def construct_document(self, node: Node) -> Any:
        if _values(node, {}) > _ITEMS:
            problem = f"has aliases that stand for more than {_ITEMS:,} values, or for themselves"
            raise ConstructorError(None, None, problem, node.start_mark)
        return super().construct_document(node)


def _values(node: Node, known: dict[int, float]) -> float:
    """Return how many values a node stands for; one that holds itself, without end."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = node.value if isinstance(node.value, list) else ()
        each = (item for part in parts for item in (part if isinstance(part, tuple) else (part,)))
        known[id(node)] = 1 + sum(_values(item, known) for item in each)
    return known[id(node)]


def read_text(path: Path) -> str:
    """Return the text of a params file, with Unix line ends.

    Raises:
        ParamsError: It is absent, no file, not readable, larger than 1 MiB, or not UTF-8.
    """
    if not path.exists():
        raise ParamsError(f"{path} is missing", next=f"cd to the project's folder, or: git checkout {path.name}")
    if not path.is_file():
        raise ParamsError(f"{path}: expected a file, received a folder, pipe or device", next=f"ls -ld {path}")
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}", next=f"ls -ld {path}") from None
    if len(content) > _LIMIT:
        raise ParamsError(f"{path}: expected at most {_LIMIT:,} bytes, received more", next=f"git diff {path}")
    try:
        return io.StringIO(content.decode("utf-8"), newline=None).read()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ParamsError(
            f"{path}: expected UTF-8, received the byte 0x{content[error.start]:02x} in line {line}",
            next=f"save {path} as UTF-8, then: pixmill check",
        ) from None


def parse_yaml(text: str, *, file: str = "params.yaml") -> Any:
    """Return what a YAML document holds: mappings, lists, texts, numbers, dates, booleans and null.

    Args:
        text: The document.
        file: What it is called in errors. Default: ``params.yaml``.

    Raises:
        ParamsError: It is not one sound YAML 1.2 document, is larger than 1 MiB, or holds more than 50,000 values.
    """
    following = NEXT if file == "params.yaml" else f"git diff {file}"
    if len(text) > _LIMIT or sum(1 for _ in _ITEM.finditer(text)) > 2 * _ITEMS:
        raise ParamsError(f"{file}: expected at most {_LIMIT:,} bytes and {_ITEMS:,} values", next=following)
    opened = itertools.accumulate(1 if found[0] in "[{" else -1 for found in re.finditer(r"[][{}]", text))
    if max(opened, default=0) > _DEEPEST:
        raise ParamsError(f"{file}: expected sections, received lists nested too deeply", next=following)
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # the last one counts
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
        # ruamel.yaml's own oversights, such as a %YAML line of a version that there is not.
        raise ParamsError(f"{file}: expected YAML, received an error: {error}", next=following) from None
