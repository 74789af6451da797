"""What people say of an image that the model predicted, as the inbox keeps it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_ID, _EXTENSION = "^[0-9a-f]{64}$", "^[a-z0-9]{1,5}$"


class Correction(BaseModel):
    """What the model said of an image, and what a person says.

    Args:
        id: The sha256 of the image's bytes.
        extension: Of its file, by its content.
        bytes: Its size.
        label: What the person says it is; ``None``: none of the classes.
        prediction: What the model said, with ``label``, ``confidence`` (0 to 1), ``sure``, ``unlike`` (not in lines of
            earlier versions) and ``probabilities``.
        model: The model that said it: ``name``, ``version`` and ``digest``.
        received: When, in UTC.
        original: The id of the image that this one was made from, if it is one of the server's examples.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")

    id: Annotated[str, Field(pattern=_ID)]
    extension: Annotated[str, Field(pattern=_EXTENSION)]
    bytes: Annotated[int, Field(ge=0)]
    label: str | None
    prediction: dict[str, Any]
    model: dict[str, Any]
    received: datetime
    original: Annotated[str, Field(pattern=_ID)] | None = None


def correction_of(
    content: bytes,
    *,
    extension: str,
    prediction: Mapping[str, Any],
    label: str | None,
    model: Mapping[str, Any],
    original: str | None = None,
) -> Correction:
    """Return what is said of an image now.

    Args:
        content: The image, as it came.
        extension: Of its format, told by its content, such as ``.jpg``; never a client's.
        prediction: As in :class:`Correction`.
        label: As in :class:`Correction`.
        model: As in :class:`Correction`.
        original: As in :class:`Correction`.
    """
    return Correction(
        id=hashlib.sha256(content).hexdigest(),
        extension=extension.removeprefix("."),
        bytes=len(content),
        label=label,
        prediction=dict(prediction),
        model=dict(model),
        received=datetime.now(UTC).replace(microsecond=0),
        original=original,
    )


def line_of(correction: Correction) -> bytes:
    """Return the line that holds a correction, with its end."""
    return f"{correction.model_dump_json()}\n".encode()


def parse_line(line: bytes) -> Correction | None:
    """Return the correction that a line holds; ``None`` where it holds none."""
    try:
        return Correction.model_validate_json(line)
    except ValidationError:
        return None
