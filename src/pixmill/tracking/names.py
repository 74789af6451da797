"""Names within MLflow's alphabet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

__all__ = ["accepted"]

Value = TypeVar("Value")

_FOREIGN = re.compile(r"[^\w.\- /:]", re.ASCII)
"""What MLflow refuses in the name of a parameter or metric on at least one platform."""


def accepted(named: Mapping[str, Value]) -> dict[str, Value]:
    """Return the same values under names that MLflow takes.

    Foreign characters become ``_``. Where two names become one, the later gets a number: no value is lost.

    Args:
        named: Values by name, such as ``{"test_f1.R&B": 0.9}``.
    """
    result: dict[str, Value] = {}
    for name, value in named.items():
        plain = base = _FOREIGN.sub("_", name)
        number = 2
        while plain in result:
            plain = f"{base}_{number}"
            number += 1
        result[plain] = value
    return result
