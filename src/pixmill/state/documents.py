"""What a revision's files say, read within bounds: their author may not be trusted."""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pixmill.core.errors import ParamsError
from pixmill.core.params import parse_yaml

if TYPE_CHECKING:
    import pandas as pd

TOO_LARGE = ("is larger than ", "holds more than ", "has too many ")
"""How the text of :class:`MalformedError` begins where the file may be sound, and is only more than is read."""

_JSON = 8 << 20
"""The most bytes of metrics."""

_CURVES = 1 << 20
_COLUMNS = 100
"""The most bytes, and columns, of training curves."""

_LETTERS = 300
"""The most letters of what is said about a file."""

_PARTS = 1000
"""The most stages of ``dvc.lock``, and the most files of each."""


class MalformedError(Exception):
    """Raised with what is wrong with a file, as the rest of a sentence that begins with its name; it is cut to a line.

    Args:
        text: Such as ``is larger than 1 MiB``. It may quote the file.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split())[:_LETTERS])


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


_Path = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
_Number = Annotated[float, Field(allow_inf_nan=False)] | None


class _File(_Typed):
    path: _Path
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}(\.dir)?$")] | None = None


_Files = Annotated[list[_File], Field(max_length=_PARTS)]


class _Stage(_Typed):
    cmd: str | list[str] | None = None
    params: dict[_Path, dict[str, Any]] = {}
    deps: _Files = []
    outs: _Files = []


class _Lock(_Typed):
    stages: Annotated[dict[str, _Stage], Field(max_length=_PARTS)] = {}


class _Data(_Typed):
    outs: _Files = []


@functools.cache
def _metrics_model() -> type[BaseModel]:
    """Return the model of the figures in ``full.json`` that a comparison uses."""
    from pixmill.compare.numbers import METRIC_NAMES

    model: type[BaseModel] = create_model(
        "_METRICS",
        __config__=ConfigDict(strict=True, extra="ignore"),
        n=(Annotated[int, Field(ge=0, le=10**12)] | None, None),
        per_class=(dict[str, dict[str, _Number]] | None, None),
        temperature=(_Number, None),
        calibrated=(dict[str, _Number] | None, None),
        **{f"{name}{end}": (_Number, None) for name in METRIC_NAMES for end in ("", "_low", "_high")},  # type: ignore[call-overload]
    )
    return model


def read_yaml(content: bytes, file: str) -> Mapping[str, Any]:
    """Return a YAML document that is a mapping, or nothing.

    Args:
        content: The document.
        file: Its name.

    Raises:
        Malformed: It is anything else, or too large.
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
        Malformed: It is not what DVC writes.
    """
    document = read_yaml(content, file)
    try:
        if file == "dvc.lock":
            return {
                name: each.model_dump(exclude_unset=True)
                for name, each in _Lock(**_drop_nulls(document)).stages.items()
            }
        return {"": _Data(**_drop_nulls(document)).model_dump(exclude_unset=True)}
    except ValidationError as error:
        raise MalformedError(_describe_error(error)) from None


def _drop_nulls(document: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the document without what is null, which DVC takes for absent."""
    return {str(key): value for key, value in document.items() if value is not None}


def read_metrics(content: bytes) -> dict[str, Any]:
    """Return the figures of a ``plots/evaluate/full.json`` that a comparison uses.

    Raises:
        Malformed: It is no JSON, too large, or a figure is no finite number.
    """
    if len(content) > _JSON:
        raise MalformedError(f"is larger than {_JSON >> 20} MiB")
    try:
        return _metrics_model().model_validate_json(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise MalformedError(_describe_error(error)) from None


def _describe_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"is malformed: {where + ': ' if where else ''}{first['msg'][:200]}"


def read_curves(content: bytes | None) -> pd.DataFrame:
    """Return training curves, of which a comparison can do without: nothing where they are no such table."""
    import pandas as pd

    if content is None or len(content) > _CURVES or content.partition(b"\n")[0].count(b",") >= _COLUMNS:
        return pd.DataFrame()
    try:
        return pd.read_csv(io.BytesIO(content))
    except ValueError:  # another revision may keep something else there
        return pd.DataFrame()
