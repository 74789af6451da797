"""One-line messages about wrong params: dotted name, expected value, received value."""

import functools
import json
import reprlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from pixmill.core.names import LABEL, MAX_LABEL
from pixmill.core.params.models import PRESET
from pixmill.core.params.scrape import CONTACT, HOST, ORIGIN
from pixmill.core.params.sections import PLUGIN
from pixmill.core.words import did_you_mean

_PATTERNS = {
    r"^\d{4}-\d{2}-\d{2}$": "a date in quotes, 'YYYY-MM-DD'",
    LABEL: f"a name of at most {MAX_LABEL} printable characters",
    CONTACT: "an e-mail address or a URL",
    HOST: "a host name in lower case, such as 'example.org'",
    rf"^{PLUGIN}$": "the name of a plugin: lower-case letters, digits, - and _",
    rf"^plugin:{PLUGIN}$": "plugin:<name>",
    rf"^(site|plugin):{PLUGIN}$": "site:<name> or plugin:<name>",
    PRESET: "hub:<preset>",
    r"^[0-9a-f]{64}$": "64 hexadecimal digits",
    ORIGIN: "a host name with its port, such as 'example.org:8080'",
}

Schema = Mapping[str, Any]
"""A JSON Schema, or a part of one."""

_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}

_SHORT = reprlib.Repr()
"""Shortens values that are recursive or huge because of YAML's aliases."""
_SHORT.maxlevel = 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def refusals(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Return one line for each wrong key, in the order of the file's sections.

    Args:
        model: The model that was validated.
        error: Its error.
    """
    schema = _schema(model)
    details = error.errors(include_url=False)
    deeper = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    # A list whose only item is wrong is also reported as too short; report the item only.
    wrong = [
        detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in deeper
    ]
    # A value that matches none of several types is reported once for each.
    return list(dict.fromkeys(_line(schema, detail) for detail in wrong))


@functools.cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _line(schema: Schema, detail: Any) -> str:
    location, here = _find(schema, detail["loc"])
    unknown = detail["type"] in ("extra_forbidden", "invalid_key")
    if unknown:
        location.append(detail["loc"][-1])
    name = ".".join(map(_key, location)) or "params.yaml"
    received = "nothing" if detail["type"] == "missing" else quote_value(detail["input"])
    if unknown:
        known = [key for option in _options(here, schema) for key in option.get("properties", ())]
        if hint := did_you_mean(str(location[-1]), known):
            return f"{name}: unknown key{hint}"
        return f"{name}: unknown key, expected one of {', '.join(known)}"
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        return (
            f"{name}: {message}" if location else message
        )  # validators across sections name the key themselves
    if detail["loc"][-1:] == ("[key]",):
        return f"{name}: {detail['msg']}, received {received}"
    return f"{name}: expected {describe(here, schema)}, received {received}"


def _find(schema: Schema, location: tuple[int | str, ...]) -> tuple[list[int | str], Schema]:
    """Return a location's keys, without pydantic's union tags, and the schema of its value."""
    keys: list[int | str] = []
    here = schema
    for part in location:
        for option in _options(here, schema):
            values = option.get("additionalProperties") or next(
                iter(option.get("patternProperties", {}).values()), None
            )
            inner = option.get("properties", {}).get(part, values)
            if isinstance(part, int) and "items" in option:
                inner = option["items"]
            if isinstance(inner, Mapping) and not str(part).startswith("["):
                keys.append(part)
                here = inner
                break
    return keys, _resolve(here, schema)


def _options(here: Schema, schema: Schema) -> list[Schema]:
    """Return the schemas of a value's possible types."""
    here = _resolve(here, schema)
    return [_resolve(option, schema) for option in here.get("anyOf") or here.get("oneOf") or [here]]


def _resolve(here: Schema, schema: Schema) -> Schema:
    return schema["$defs"][here["$ref"].rpartition("/")[2]] if "$ref" in here else here


def _key(part: int | str) -> str:
    # Control characters in a key must not break the line.
    text = str(part)
    return text if text.isprintable() and text else repr(text)


def quote_value(value: object) -> str:
    """Return a value as messages show it, shortened."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    try:
        return f"{value} without quotes" if isinstance(value, date) else _SHORT.repr(value)
    except ValueError:  # Python refuses to print numbers of more than 4,300 digits
        return "a number of thousands of digits"


def describe(here: Schema, schema: Schema) -> str:
    """Describe the values that a part of a JSON Schema accepts.

    >>> describe({"type": "integer", "minimum": 1, "maximum": 5}, {})
    'a whole number from 1 to 5'

    Args:
        here: The part.
        schema: The whole schema, with its definitions.
    """
    first, *others = dict.fromkeys(_describe(option, schema) for option in _options(here, schema))
    # A list of what may also stand alone.
    return functools.reduce(
        lambda text, each: f"{text} or {each.replace(text, 'one of these')}", others, first
    )


def _describe(here: Schema, schema: Schema) -> str:
    if "anyOf" in here:
        return describe(here, schema)
    if "enum" in here:
        return f"one of {', '.join(map(str, here['enum']))}"
    if "const" in here:
        return str(here["const"])
    if "properties" in here:
        return f"a section with the keys {', '.join(here['properties'])}"
    kind = here.get("type")
    if kind == "array":
        return _describe_list(here, schema)
    if kind == "string":
        return _describe_text(here)
    names = {"null": "null", "boolean": "true or false", "object": "a mapping"}
    number = {"integer": "a whole number", "number": "a number"}
    return f"{number[kind]}{_bounds(here)}" if kind in number else names.get(str(kind), "a value")


def _describe_list(here: Schema, schema: Schema) -> str:
    least = here.get("minItems", 0)
    size = f"at least {least} item" if least else "item"
    if least != 1:
        size += "s"
    most = f"{here['maxItems']:,} at most, " if "maxItems" in here else ""
    return f"a list of {size}, {most}each {describe(here['items'], schema)}"


def _describe_text(here: Schema) -> str:
    if "pattern" in here:
        return _PATTERNS.get(here["pattern"], "a string")
    if "format" in here:
        return f"a {here['format']}"
    text = "a non-empty string" if here.get("minLength") else "a string"
    return f"{text} of at most {here['maxLength']:,} characters" if "maxLength" in here else text


def _bounds(here: Schema) -> str:
    if {"minimum", "maximum"} <= here.keys():
        return f" from {_number(here['minimum'])} to {_number(here['maximum'])}"
    return " and".join(
        f" {sign} {_number(here[name])}" for name, sign in _BOUNDS.items() if name in here
    )


def _number(value: float) -> str:
    return f"{value:,}".removesuffix(".0")
