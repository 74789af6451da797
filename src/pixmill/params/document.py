"""Read ``params.yaml`` as DVC does, and refuse what DVC would pass over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pixmill.errors import ParamsError
from pixmill.params.refusal import refusals
from pixmill.params.sections import Params

__all__ = ["load_params", "parse_params"]

_CHECK = "edit params.yaml, then: pixmill check"


class _Loader(yaml.SafeLoader):
    """Read scalars by YAML 1.2's core schema, as DVC's reader does.

    PyYAML follows YAML 1.1, where ``1e-3`` is a text, ``no`` is false and ``12:30`` is a number: the two would then
    disagree about what a file says.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own name)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        """Return a scalar's text, with one character for each pair of escapes that stands for one in JSON."""
        text = str(super().construct_scalar(node))
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            line = node.start_mark.line + 1
            raise ParamsError(
                f"params.yaml: expected characters, received half of one in line {line}: {text!r}", next=_CHECK
            ) from None


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))


# YAML 1.2.2, chapter 10.3.2, "Tag Resolution" of the core schema.
_resolve("null", "null|Null|NULL|~|", "nN~")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", "[-+]?[0-9]+|0x[0-9a-fA-F]+", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)


def _int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 16) if text.startswith("0x") else int(text)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise ParamsError(
                f"params.yaml: expected each key once, received {key!r} again in line {line}", next=_CHECK
            )
        seen.add(key)
    return dict(loader.construct_mapping(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_params(text: str) -> Params:
    """Return the whole of a ``params.yaml`` as frozen, typed objects.

    Args:
        text: The file's text.

    Raises:
        ParamsError: The text is no YAML mapping, or a key is unknown, missing or wrong; one line for each.
    """
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ParamsError(
            f"params.yaml: expected YAML, received a syntax error{where}: {problem}", next=_CHECK
        ) from None
    if not isinstance(content, dict):
        raise ParamsError(f"params.yaml: expected sections, received {type(content).__name__}", next=_CHECK)
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ParamsError("\n".join(refusals(Params, error)), next=_CHECK) from None


def load_params(root: Path) -> Params:
    """Read and check the ``params.yaml`` in a folder.

    Raises:
        ParamsError: The file is absent, or says something that it must not.
    """
    path = root / "params.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(
            f"{path} is missing", next="cd to the project's folder, or: git checkout params.yaml"
        ) from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"params.yaml: expected UTF-8, received {error}", next=_CHECK) from None
    return parse_params(text)
