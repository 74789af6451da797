"""What a revision's files say, read within bounds: their author may not be trusted."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixmill.core.errors import ParamsError
from pixmill.core.params import parse_yaml

TOO_LARGE = ("is larger than ", "holds more than ", "has too many ")
"""How the text of :class:`MalformedError` begins where the file may be sound, and is only more than is read."""

_LETTERS = 300
"""The most letters of what is said about a file."""

_PARTS = 1000
"""The most stages of ``dvc.lock``, and the most files of each."""


class MalformedError(Exception):
    """What is wrong with a file, as the rest of a sentence that begins with its name; it is cut to a line.

    Args:
        text: Such as ``is larger than 1 MiB``. It may quote the file.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split())[:_LETTERS])


class _Typed(BaseModel):
    """A part of a document, whose other keys are kept unchecked."""

    model_config = ConfigDict(strict=True, extra="allow")


_Path = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


class _File(_Typed):
    """A file or folder that DVC versions."""

    path: _Path
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}(\.dir)?$")] | None = None


_Files = Annotated[list[_File], Field(max_length=_PARTS)]


class _Stage(_Typed):
    """A stage of ``dvc.lock``: what it last ran on, and what it made."""

    cmd: str | list[str] | None = None
    params: dict[_Path, dict[str, Any]] = {}
    deps: _Files = []
    outs: _Files = []


class _Lock(_Typed):
    """A ``dvc.lock``."""

    stages: Annotated[dict[str, _Stage], Field(max_length=_PARTS)] = {}


def read_yaml(content: bytes, file: str) -> Mapping[str, Any]:
    """Return a YAML document that is a mapping, or nothing.

    Args:
        content: The document.
        file: Its name.

    Raises:
        MalformedError: It is anything else, or too large.
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
    """Return the stages of a ``dvc.lock``, or the outputs of a ``.dvc`` file as those of a stage without a name.

    Raises:
        MalformedError: It is not what DVC writes.
    """
    document = _drop_nulls(read_yaml(content, file))
    try:
        stages = _Lock(**document).stages if file == "dvc.lock" else {"": _Stage(outs=document.get("outs", []))}
        return {name: stage.model_dump(exclude_unset=True) for name, stage in stages.items()}
    except ValidationError as error:
        raise MalformedError(describe_error(error)) from None


def _drop_nulls(document: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the document without what is null, which DVC takes for absent."""
    return {str(key): value for key, value in document.items() if value is not None}


def describe_error(error: ValidationError) -> str:
    """Return the first thing that is wrong with a document, and where in it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"is malformed: {where + ': ' if where else ''}{first['msg'][:200]}"
