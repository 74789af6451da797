"""Say in one line a parameter's dotted name, what was expected and what was received."""

import reprlib
import types
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pixmill.core.params.scrape import CONTACT, HOST, ORIGIN
from pixmill.core.params.sections import PLUGIN
from pixmill.core.params.train import PRESET
from pixmill.core.words import did_you_mean

_PATTERNS = {
    r"^\d{4}-\d{2}-\d{2}$": "a date in quotes, 'YYYY-MM-DD'",
    r"^[^\W_][\w .&'+-]*$": "a name of at most 64 letters, digits, spaces and . & ' + - _",
    CONTACT: "an e-mail address or a URL",
    HOST: "a host name in lower case, such as 'example.org'",
    rf"^{PLUGIN}$": "the name of a plugin: lower-case letters, digits, - and _",
    rf"^plugin:{PLUGIN}$": "plugin:<name>",
    PRESET: "hub:<preset>",
    r"^[0-9a-f]{64}$": "64 hexadecimal digits",
    ORIGIN: "a host name with its port, such as 'example.org:8080'",
}

REMOVED: dict[str, str] = {
    "scrape.urls.format": "removed: the form of a list follows from its first line",
    "scrape.wikimedia": "removed: wikimedia searches Wikimedia Commons; list the files of another wiki (source urls)",
    "train.augmentation.rand_augment": "removed: set rotation, shift, shear, brightness and contrast instead",
    "train.learning_curve=always": "removed: only logistic regression has a learning curve, with auto",
    "train.precision=auto": "removed: set float32, or bfloat16 where the processor or GPU computes with it",
}
"""What replaces params of earlier versions, and values as ``section.key=value``."""

_KINDS = ("[range]", "[list]")
"""What of several kinds a value is, where its form tells."""

_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
"""The bounds of pydantic's constraints, by the attribute that holds them, in the order that they are told."""

_SHORT = reprlib.Repr()
"""Shows a value that contains itself, or others many times over by YAML's aliases, without following all of it."""
_SHORT.maxlevel = 4
_SHORT.maxlist = _SHORT.maxdict = 20
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def refusals(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Return one line for each wrong key, in the order of the file's sections.

    Args:
        model: The model that refused.
        error: What it raised.
    """
    details = error.errors(include_url=False)
    deeper = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    # A list whose only item is wrong is also reported as too short: the item says enough.
    told = [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in deeper]
    # What fits none of several kinds is reported once for each.
    return list(dict.fromkeys(_line(model, detail) for detail in told))


def _line(model: type[BaseModel], detail: Any) -> str:
    location = _locate(model, tuple(part for part in detail["loc"] if part not in _KINDS))
    name = ".".join(_key(part) for part in location if part != "[key]") or "params.yaml"
    received = _quote(detail["input"])
    removed = name if detail["type"] == "extra_forbidden" else f"{name}={detail['input']}"
    if removed in REMOVED:
        return f"{name}: {REMOVED[removed]}"
    if detail["type"] in ("extra_forbidden", "invalid_key"):
        known = keys_of(_some(_bare(_field_at(model, location[:-1]))))
        if hint := did_you_mean(str(location[-1]), known):
            return f"{name}: unknown key{hint}"
        return f"{name}: expected one of the keys {', '.join(known)}, received {received}"
    if detail["type"] == "missing":
        return f"{name}: expected {describe(_field_at(model, location))}, received nothing"
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        if not location:
            return message  # one that compares sections names the key itself
        return f"{name}: {message}"
    if detail["type"] == "string_type" and isinstance(detail["input"], int | float):
        received += " without quotes"
    return f"{name}: expected {describe(_field_at(model, location))}, received {received}"


def _locate(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return a location without the kinds, of several that a value may be of, which are no place in the file."""
    for depth in range(1, len(location)):
        found = _bare(_field_at(model, location[:depth]))
        if get_origin(found) in (Union, types.UnionType) and not (
            get_origin(_some(found)) in (tuple, dict) or _is_section(_some(found))
        ):
            return location[:depth]
    return location


def _key(part: int | str) -> str:
    # A key with control characters must not break the line.
    text = str(part)
    return text if text.isprintable() and text else repr(text)


def _quote(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, date):
        return f"{value} without quotes"
    text = _SHORT.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a section, in its order."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _field_at(model: type[BaseModel], location: tuple[int | str, ...]) -> Any:
    """Return the annotation of what stands at a location, with its constraints."""
    annotation: Any = model
    if location[-1:] == ("[key]",):
        return get_args(_some(_bare(_field_at(model, location[:-2]))))[0]
    for part in location:
        owner = _some(_bare(annotation))
        if get_origin(owner) in (tuple, dict):
            # A list's items are of its first argument, a mapping's values of its second.
            annotation = get_args(owner)[get_origin(owner) is dict]
            continue
        if not _is_section(owner):
            break
        field = next((item for name, item in owner.model_fields.items() if part in (item.alias, name)), None)
        if field is None:
            break
        annotation = Annotated[field.annotation, field]
    return annotation


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _some(annotation: Any) -> Any:
    """Return what is expected beside null."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    return _bare(next(item for item in get_args(annotation) if item is not type(None)))


def describe(annotation: Any, constraints: tuple[Any, ...] = ()) -> str:
    """Return in words which values an annotation with its constraints accepts.

    >>> describe(Annotated[int, FieldInfo(ge=1, le=5)])
    'a whole number from 1 to 5'
    """
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return describe(inner, (*constraints, *_constraints(metadata)))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(item, constraints) for item in arguments)
    if annotation is type(None):
        return "null"
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}" if len(arguments) > 1 else str(arguments[0])
    if origin is tuple:
        least = max((getattr(item, "min_length", 0) or 0 for item in constraints), default=0)
        items = f"{f'at least {least} ' if least else ''}item{'s' if least != 1 else ''}"
        most = min((item.max_length for item in constraints if getattr(item, "max_length", None)), default=None)
        return f"a list of {items}, {f'{most:,} at most, ' if most else ''}each {describe(arguments[0])}"
    if origin is dict:
        if get_origin(arguments[0]) is not Literal:
            return f"a mapping from {'params' if arguments[0] is str else 'classes'}"
        return f"a mapping from any of {', '.join(get_args(arguments[0]))} to {describe(arguments[1])}"
    if _is_section(annotation):
        return f"a section with the keys {', '.join(keys_of(annotation))}"
    if annotation in (bool, Any):
        return "true or false" if annotation is bool else "a value"
    if annotation is str:
        pattern = next((item.pattern for item in constraints if getattr(item, "pattern", None)), None)
        filled = any(getattr(item, "min_length", None) for item in constraints)
        most = min((item.max_length for item in constraints if getattr(item, "max_length", None)), default=None)
        text = _PATTERNS.get(pattern or "", "a non-empty string" if filled else "a string")
        return f"{text} of at most {most:,} characters" if most and pattern is None else text
    kind = "a whole number" if annotation is int else "a number"
    return f"{kind}{_bounds(constraints)}"


def _constraints(metadata: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in metadata:
        found += item.metadata if isinstance(item, FieldInfo) else [item]
    return found


def _bounds(constraints: tuple[Any, ...]) -> str:
    found = {name: getattr(item, name) for name in _SIGNS for item in constraints if hasattr(item, name)}
    if {"ge", "le"} <= found.keys():
        return f" from {_number(found['ge'])} to {_number(found['le'])}"
    return " and".join(f" {sign} {_number(found[name])}" for name, sign in _SIGNS.items() if name in found)


def _number(value: float) -> str:
    return f"{value:,}".removesuffix(".0")
