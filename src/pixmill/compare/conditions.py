"""Conditions on params, by which runs are chosen: ``train.model=cnn``, ``train.epochs>=20``."""

import contextlib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.params import parse_yaml

_FORM = re.compile(r"\s*([^\s=!<>]+)\s*(==?|!=|<=|>=|<|>)\s*(.*?)\s*")

_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """A condition on one param.

    Args:
        name: The param's dotted name.
        sign: One of ``= == != < <= > >=``.
        value: What it is compared with, as YAML reads it.
    """

    name: str
    sign: str
    value: Any

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Tell whether params fulfil it: none without the name does, and no text is above or below a number.

        >>> parse_condition("train.epochs>=20").holds({"train.epochs": 30})
        True
        """
        if self.name not in params:
            return False
        try:
            return _SIGNS[self.sign](params[self.name], self.value)
        except TypeError:
            return False


def parse_condition(text: str) -> Condition:
    """Return the condition that a person wrote.

    Args:
        text: Such as ``train.model=cnn``.

    Raises:
        PixmillError: It has another form, or asks whether a param is above or below what is no number.
    """
    match = _FORM.fullmatch(text)
    name, sign, value = match.groups() if match else ("", "", "")
    parsed: Any = value
    with contextlib.suppress(ParamsError):
        parsed = parse_yaml(value)
    fault = "" if match else "is no condition on a param"
    if value[:1] in ("<", ">"):
        fault = f"is no condition on a param; did you mean {value[0]}=?"
    elif sign[:1] in ("<", ">") and (isinstance(parsed, bool) or not isinstance(parsed, int | float)):
        fault = f"compares with {value or 'nothing'}, which is no number"
    if fault:
        raise PixmillError(f"'{text}' {fault}", next="write such as --where 'train.model=cnn' or 'train.epochs>=20'")
    return Condition(name, sign, parsed)
