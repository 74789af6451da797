"""The reference of all params: a list and a JSON Schema, generated from the typed sections."""

import functools
import json
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from pixmill.core.errors import ParamsError
from pixmill.core.params.document import Params, check_params, value_at
from pixmill.core.params.refusal import Schema, describe
from pixmill.core.params.yaml_text import parse_yaml, read_text
from pixmill.core.words import did_you_mean


@dataclass(frozen=True)
class Reference:
    """The reference entry of a param or section.

    Args:
        name: Dotted name; list items have brackets, such as ``train.cnn.blocks[].filters``.
        meaning: Description, with the unit.
        expected: Accepted values, such as ``a whole number from 1 to 100,000``; empty for a
            section.
        default: Default as plain data; ``...`` if the param is required; ``None`` for a section.
        example: Example of a list or mapping, if any.
    """

    name: str
    meaning: str
    expected: str
    default: Any
    example: Any

    def values(self) -> str:
        """Return the accepted values with an example."""
        shown = self.example is None or ", such as " in self.expected
        return self.expected if shown else f"{self.expected}, such as {plain(self.example)}"


@functools.cache
def reference() -> tuple[Reference, ...]:
    """Return every section, followed by its params.

    >>> item = next(item for item in reference() if item.name == "train.batch_size")
    >>> item.meaning, item.values(), item.default
    ('Batch size.', 'a whole number from 1 to 65,536', 32)
    """
    return tuple(_each(Params, "", Params.model_json_schema()))


def _each(section: type[BaseModel], prefix: str, schema: Schema) -> Iterator[Reference]:
    """Yield the params of a section.

    Args:
        section: The section.
        prefix: Its dotted name with a dot.
        schema: Schema of the whole file.
    """
    properties = schema["$defs"].get(section.__name__, schema)["properties"]
    for key, field in section.model_fields.items():
        name = f"{prefix}{field.alias or key}"
        meaning = field.description or ""
        inner = _section_in(field.annotation)
        if inner is not None and get_origin(field.annotation) is None:
            yield Reference(name, meaning, "", None, None)
            yield from _each(inner, f"{name}.", schema)
            continue
        default = ... if field.is_required() else _data(field.default)
        expected = (
            describe(properties[field.alias or key], schema)
            if inner is None
            else "a list of sections"
        )
        yield Reference(name, meaning, expected, default, (field.examples or [None])[0])
        if inner is not None:
            yield from _each(inner, f"{name}[].", schema)


@dataclass(frozen=True)
class CurrentParam(Reference):
    """A param with its current value.

    Args:
        value: Value as plain data.
        in_file: Whether ``params.yaml`` sets it.
    """

    value: Any
    in_file: bool

    @property
    def changed(self) -> bool:
        """Whether it differs from its default."""
        return bool(self.value != self.default)


def current_params(root: Path, keys: Sequence[str] = ()) -> list[CurrentParam]:
    """Return the current params of a project.

    Args:
        root: The project's folder.
        keys: Dotted names of params and sections; default: all params.

    Raises:
        ParamsError: The file is not valid, or a key is unknown.
    """
    content = parse_yaml(read_text(root / "params.yaml"))
    params = check_params(content)
    items = [item for item in reference() if item.expected and "[]" not in item.name]
    if keys:
        items = _selected(items, keys)
    return [
        CurrentParam(
            **vars(item),
            value=_data(functools.reduce(getattr, item.name.split("."), params)),
            in_file=value_at(content, item.name, ...) is not ...,
        )
        for item in items
    ]


def _selected(items: Sequence[Reference], keys: Sequence[str]) -> list[Reference]:
    """Return the items with these names or in these sections, in the order of the file."""
    names: set[str] = set()
    for key in keys:
        below = {item.name for item in items if f"{item.name}.".startswith(f"{key}.")}
        if not below:
            hint = did_you_mean(key, (item.name for item in items))
            raise ParamsError(f"{key}: no such param{hint}", next="pixmill params")
        names |= below
    return [item for item in items if item.name in names]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section class of a field or of its list items, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, tuple, Union, types.UnionType):
        return _section_in(get_args(annotation)[0])
    return None


def _data(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_data(item) for item in value]
    if isinstance(value, dict):
        return {key: _data(item) for key, item in value.items()}
    # Omit the defaults of list items.
    return (
        value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else value
    )


def plain(value: Any) -> str:
    """Format a value as one line of YAML: strings without quotes, everything else as JSON."""
    return (
        value
        if isinstance(value, str) and value
        else json.dumps(value, ensure_ascii=False, default=str)
    )


@functools.cache
def schema() -> str:
    """Return the JSON Schema of ``params.yaml``, for completion and validation in editors."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    content = {**head, **Params.model_json_schema(), "title": "Pixmill's params.yaml"}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
