"""Parse request bodies: images as multipart, raw bytes, or JSON with base64 or URLs."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from pixmill.local.bounded_request import check_size
from pixmill.local.problems import ProblemError
from pixmill.serve.http import schemas

_MAX_JSON_MARKS = 100_000
"""Maximum number of commas, colons and opening brackets in JSON, those in strings included.

It bounds the objects that
a parser creates, and is cheap to check. 16 URLs of 4,096 characters may have that many.
"""

Schema = TypeVar("Schema", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RequestImage:
    """An image in a request.

    Args:
        content: Its bytes; ``None`` if the client sent a URL.
        name: File name as the client sent it, or the URL; ``None`` if there is neither.
    """

    content: bytes | None
    name: str | None = None


async def read_images(request: Request) -> list[RequestImage]:
    """Return the images of a request in order, at least one.

    Raises:
        ProblemError: The body has none of the three forms, is malformed, or has no image or too
            many.
    """
    if _media_type(request) == "application/json":
        batch = await read_json(request, schemas.ImageBatch)
        return [
            RequestImage(None, entry.url)
            if isinstance(entry, schemas.Address)
            else RequestImage(entry.content)
            for entry in batch.images
        ]
    return (await read_form(request, max_images=schemas.MAX_IMAGES))[0]


async def read_form(
    request: Request, *, max_images: int = 1
) -> tuple[list[RequestImage], list[str]]:
    """Return the images of a form, at least one, and its texts ``label`` and ``labels``.

    Or the one image of a raw body.

    Args:
        request: The request.
        max_images: Maximum number of images.

    Raises:
        ProblemError: The body has another type, no image, or what belongs in the query. Starlette
            raises its own exception for a malformed form.
    """
    kind = _media_type(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [RequestImage(await request.body())], []
    if kind != "multipart/form-data":
        raise _unsupported(
            request,
            "multipart/form-data, image/*, application/octet-stream or, to predict, application/json",
        )
    async with request.form(max_files=max_images, max_fields=max_images + 8) as form:
        files = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
        images = [RequestImage(await file.read(), file.filename or None) for file in files]
        texts = [*form.getlist("label"), *form.getlist("labels")]
        labels = [part for part in texts if isinstance(part, str)]
        misplaced = {*form} & query_names(request)
    for name in misplaced:
        raise ProblemError(422, f"Send '{name}' in the query, not in the form.")
    if not images:
        raise ProblemError(
            422, "Send at least one part named 'file' with an image and its file name."
        )
    return images, labels


def query_names(request: Request) -> set[str]:
    """Return the names that the route of a request takes in its query."""
    return {each.alias for each in request.scope["route"].dependant.query_params}


async def read_json(
    request: Request, schema: type[Schema], max_bytes: int = schemas.MAX_BYTES
) -> Schema:
    """Parse a JSON body in a thread, and validate it.

    Args:
        request: The request.
        schema: Its schema.
        max_bytes: Maximum size of the body.

    Raises:
        ProblemError: The body has another type, is not JSON, does not match the schema, or has too
            many elements.
    """
    if _media_type(request) != "application/json":
        raise _unsupported(request, "application/json")
    check_size(request.scope, max_bytes)
    return await asyncio.to_thread(_parse, await request.body(), schema)


def _parse(body: bytes, schema: type[Schema]) -> Schema:
    if sum(map(body.count, b",:[{")) > _MAX_JSON_MARKS:
        raise ProblemError(
            422, f"JSON may have {_MAX_JSON_MARKS:,} commas, colons and opening brackets at most."
        )
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        # Without the input and the context, whose traceback would keep the body in memory.
        found = error.errors(include_context=False, include_input=False, include_url=False)
    # An image may be in either of two forms: the wrong value says more than the key of the other
    # form.
    first = min(found, key=lambda each: each["type"] == "missing")
    place = ".".join(str(part) for part in first["loc"])
    raise ProblemError(
        400 if first["type"] == "json_invalid" else 422,
        f"{place}: {first['msg']}".removeprefix(": "),
    )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unsupported(request: Request, expected: str) -> ProblemError:
    return ProblemError(415, f"Expected a body of {expected}; received '{_media_type(request)}'.")
