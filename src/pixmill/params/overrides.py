"""Parameters given as texts, typed and checked with the whole file before anything is edited."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from pixmill.params.document import parse_params
from pixmill.params.sections import Params, flat

__all__ = ["parse_overrides", "settings"]

_WORDS = {"null": None, "true": True, "false": False}


def parse_overrides(params: Params, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the given values as ``params.yaml`` would hold them.

    Args:
        params: What the file says now.
        given: Texts by dotted name, such as ``{"train.epochs": "3"}``; every name must exist, and is no list, whose
            sections go by their places: ``train.cnn.blocks.0.filters``.

    Raises:
        ParamsError: With these values the file would not be sound; one line for each.
    """
    now = flat(params)
    values = {name: text if isinstance(now[name], str) else _typed(text) for name, text in given.items()}
    content = params.model_dump(mode="json", by_alias=True)
    for name, value in values.items():
        *sections, key = name.split(".")
        section = content
        for part in sections:
            section = section[int(part)] if isinstance(section, list) else section[part]
        section[key] = value
    # JSON is YAML: the same reader refuses with the same words.
    parse_params(json.dumps(content))
    return values


def settings(values: Mapping[str, Any]) -> list[str]:
    """Return values in the grammar of ``dvc exp run -S``, which is Hydra's: texts in quotes, lest they become numbers.

    Args:
        values: Texts, numbers, booleans or null by dotted name.
    """
    return [
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={json.dumps(value)}"
        for name, value in values.items()
    ]


def _typed(text: str) -> Any:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return _WORDS.get(text, text)
