"""Parse the YAML files of a revision, which people and other versions may have written."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixmill.core.errors import ParamsError
from pixmill.core.params import parse_yaml


class MalformedError(Exception):
    """A malformed file of a revision.

    Args:
        text: The problem, to be appended to the file's name, such as ``is not UTF-8``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


class _Typed(BaseModel):
    """A part of a document; other keys stay unchecked."""

    model_config = ConfigDict(strict=True, extra="allow")


class _File(_Typed):
    """A file or folder that DVC versions."""

    path: str
    # The hash is part of a path in DVC's cache.
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}(\.dir)?$")] | None = None


class _Stage(_Typed):
    """A stage of ``dvc.lock``, with its last inputs and outputs."""

    cmd: str | list[str] | None = None
    params: dict[str, dict[str, Any]] = {}
    deps: list[_File] = []
    outs: list[_File] = []


class _Lock(_Typed):
    """A ``dvc.lock``."""

    stages: dict[str, _Stage] = {}


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
        if file != "dvc.lock":
            document = {"stages": {"": {"outs": document.get("outs", [])}}}
        stages = _Lock(**document).stages
        return {name: stage.model_dump(exclude_unset=True) for name, stage in stages.items()}
    except ValidationError as error:
        raise MalformedError(describe_error(error)) from None


def describe_error(error: ValidationError) -> str:
    """Describe the first error in a document, with its location."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = [".".join(map(str, first["loc"]))] if first["loc"] else []
    return ": ".join(["is malformed", *where, first["msg"]])
