"""The images in a request's body: multipart, raw bytes, or JSON with base64 or URLs."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from pixmill.serve.http import schemas
from pixmill.serve.http.settings import MAX_IMAGES
from pixmill.web.problems import ProblemError

_MOST_MARKS = 100_000
"""Commas, colons and opening brackets in JSON, those in strings included: 16 URLs of 4,096 characters may have so many.
They bound what a parser makes of the body, and cost next to nothing to count."""

Schema = TypeVar("Schema", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SentImage:
    """An image that came with a request.

    Args:
        content: Its bytes; ``None``: only its address came.
        name: Its file name, as the client gave it, or its address; ``None`` if it has none.
    """

    content: bytes | None
    name: str | None = None


async def read_images(request: Request) -> list[SentImage]:
    """Return the images of a request, in order: at least one.

    Raises:
        ProblemError: The body is none of the three forms, is malformed, or has no image or too many.
    """
    if _media_type(request) == "application/json":
        batch = await read_json(request, schemas.ImageBatch)
        return [
            SentImage(None, entry.url) if isinstance(entry, schemas.Address) else SentImage(entry.content)
            for entry in batch.images
        ]
    return (await read_form(request, most=MAX_IMAGES))[0]


async def read_form(request: Request, *, most: int = 1) -> tuple[list[SentImage], list[str]]:
    """Return the images of a form, of which there is at least one, and its texts ``label``; or the bytes of one image.

    Args:
        request: The request.
        most: Maximum number of images.

    Raises:
        ProblemError: The body is something else, or has no image; Starlette has its own exception for a malformed form.
    """
    kind = _media_type(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [SentImage(await request.body())], []
    if kind != "multipart/form-data":
        raise _unsupported(request, "multipart/form-data, image/* or application/octet-stream")
    async with request.form(max_files=most, max_fields=most + 8) as form:
        files = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
        images = [SentImage(await file.read(), file.filename or None) for file in files]
        labels = [part for part in form.getlist("label") if isinstance(part, str)]
    if not images:
        raise ProblemError(422, "Send at least one part named 'file' with an image and its file name.")
    return images, labels


async def read_json(request: Request, schema: type[Schema]) -> Schema:
    """Return a body of JSON as its schema describes it; it is parsed beside the event loop.

    Raises:
        ProblemError: The body is something else, is no JSON, is not as described, or has too much in it.
    """
    if _media_type(request) != "application/json":
        raise _unsupported(request, "application/json")
    return await asyncio.to_thread(_parse, await request.body(), schema)


def _parse(body: bytes, schema: type[Schema]) -> Schema:
    if sum(map(body.count, b",:[{")) > _MOST_MARKS:
        raise ProblemError(422, f"JSON may have {_MOST_MARKS:,} commas, colons and opening brackets at most.")
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        # Without the input and the context, whose traceback would keep the body in memory.
        first = error.errors(include_context=False, include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    raise ProblemError(400 if first["type"] == "json_invalid" else 422, f"{place}: {first['msg']}".removeprefix(": "))


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unsupported(request: Request, expected: str) -> ProblemError:
    return ProblemError(415, f"Expected a body of {expected}; received '{_media_type(request)}'.")
