"""Parse the YAML files of a revision within limits, since pull requests may come from strangers."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixmill.core.errors import ParamsError
from pixmill.core.params import parse_yaml

TOO_LARGE = ("is larger than ", "holds more than ", "has too many ")
"""Prefixes of :class:`MalformedError` messages about files that exceed a limit but may be valid."""

_MAX_CHARACTERS = 300
"""Maximum length of a message."""

_MAX_ENTRIES = 1000
"""Maximum number of stages in ``dvc.lock``, and of files per stage."""


class MalformedError(Exception):
    """A malformed file of a revision.

    Args:
        text: The problem, to be appended to the file's name, such as ``is larger than 1 MiB``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split())[:_MAX_CHARACTERS])


class _Typed(BaseModel):
    """A part of a document; other keys stay unchecked."""

    model_config = ConfigDict(strict=True, extra="allow")


_Path = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


class _File(_Typed):
    """A file or folder that DVC versions."""

    path: _Path
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}(\.dir)?$")] | None = None


_Files = Annotated[list[_File], Field(max_length=_MAX_ENTRIES)]


class _Stage(_Typed):
    """A stage of ``dvc.lock``, with its last inputs and outputs."""

    cmd: str | list[str] | None = None
    params: dict[_Path, dict[str, Any]] = {}
    deps: _Files = []
    outs: _Files = []


class _Lock(_Typed):
    """A ``dvc.lock``."""

    stages: Annotated[dict[str, _Stage], Field(max_length=_MAX_ENTRIES)] = {}


def read_yaml(content: bytes, file: str) -> Mapping[str, Any]:
    """Parse a YAML mapping; an empty document gives an empty mapping.

    Args:
        content: The document.
        file: Its name.

    Raises:
        MalformedError: The document is not a mapping, or is too large.
    """
    try:
        read = _parse(content.decode("utf-8"), file)
    except UnicodeDecodeError:
        raise MalformedError("is not UTF-8") from None
    except ParamsError as error:
        raise MalformedError(f"is malformed: {error.message.removeprefix(f'{file}: ')}") from None
    if read is not None and not isinstance(read, dict):
        raise MalformedError(f"is malformed: expected a mapping, received {type(read).__name__}")
    return read or {}


@functools.lru_cache(maxsize=8)
def _parse(text: str, file: str) -> Any:
    return parse_yaml(text, file=file)


def read_stages(content: bytes, file: str = "dvc.lock") -> dict[str, dict[str, Any]]:
    """Return the stages of a ``dvc.lock``; the outputs of a ``.dvc`` file become a stage with an empty name.

    Raises:
        MalformedError: DVC would not write such a file.
    """
    # DVC treats keys with null values as missing.
    document = {
        str(key): value for key, value in read_yaml(content, file).items() if value is not None
    }
    try:
        stages = (
            _Lock(**document).stages
            if file == "dvc.lock"
            else {"": _Stage(outs=document.get("outs", []))}
        )
        return {name: stage.model_dump(exclude_unset=True) for name, stage in stages.items()}
    except ValidationError as error:
        raise MalformedError(describe_error(error)) from None


def describe_error(error: ValidationError) -> str:
    """Describe the first error in a document, with its location."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"is malformed: {where + ': ' if where else ''}{first['msg'][:200]}"
