"""The images in a request's body: multipart, raw bytes, or JSON with base64 or URLs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pixmill.serve import schemas
from pixmill.serve.settings import MAX_IMAGES
from pixmill.web.problems import ProblemError

_MOST_MARKS = 100_000
"""Commas, colons and opening brackets in JSON, those in strings included: 16 URLs of 4,096 characters may have so many.
They bound what a parser makes of the body, and cost next to nothing to count."""

_MOST_KEYS = 16
"""Maximum number of keys of an object in JSON: pydantic makes an error of each that it does not know."""

_JSON: TypeAdapter[Any] = TypeAdapter(Any)

Read = TypeVar("Read")
Schema = TypeVar("Schema", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """An image that came with a request.

    Args:
        content: Its bytes.
        name: Its file name, as the client gave it; ``None`` if it gave none.
    """

    content: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class WebImage:
    """The address of an image.

    Args:
        url: The address.
    """

    url: str


def media_type(request: Request) -> str:
    """Return the media type of a body, in lower case and without parameters; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_raw(kind: str) -> bool:
    """Tell whether a media type stands for the bytes of one image."""
    return kind.startswith("image/") or kind in ("application/octet-stream", "application/x-image")


async def read_images(request: Request, *, urls: bool) -> list[UploadedImage | WebImage]:
    """Return the images of a request, in order: at least one.

    Args:
        request: The request.
        urls: Whether JSON may name images by their URL.

    Raises:
        ProblemError: The body is none of the three forms, is malformed, or has no image or too many.
    """
    kind = media_type(request)
    images: list[UploadedImage | WebImage]
    if is_raw(kind):
        return [UploadedImage(await request.body())]
    if kind == "multipart/form-data":
        files, _ = await _read_form(request, max_files=MAX_IMAGES)
        if not files:
            raise ProblemError(422, "Send at least one part named 'file' with an image and its file name.")
        images = [*files]
    elif kind == "application/json":
        images = await read_json(request, _images)
        if not urls and any(isinstance(image, WebImage) for image in images):
            raise ProblemError(403, "This server fetches no URLs: send the image itself.")
    else:
        raise unsupported_type("multipart/form-data, image/*, application/octet-stream or application/json", kind)
    return images


async def one_image(request: Request) -> UploadedImage:
    """Return the only image of a request, multipart or raw.

    Raises:
        ProblemError: The body is neither, is malformed, or has another number of images.
    """
    kind = media_type(request)
    if is_raw(kind):
        return UploadedImage(await request.body())
    if kind != "multipart/form-data":
        raise unsupported_type("multipart/form-data, image/* or application/octet-stream", kind)
    images, _ = await _read_form(request, max_files=1)
    if len(images) != 1:
        raise ProblemError(422, f"Send exactly one part named 'file' with an image; received {len(images)}.")
    return images[0]


async def read_address(request: Request) -> WebImage:
    """Return the address in a body, which is JSON.

    Raises:
        ProblemError: The body is something else, is malformed, or not as described.
    """
    return await read_json(request, lambda document: WebImage(validate(schemas.Address, document).url))


async def read_correction(request: Request) -> tuple[UploadedImage, str]:
    """Return the image and the label of a correction, which is multipart.

    Raises:
        ProblemError: The body is something else, is malformed, or has another number of images or labels.
    """
    kind = media_type(request)
    if kind != "multipart/form-data":
        raise unsupported_type("multipart/form-data", kind)
    images, labels = await _read_form(request, max_files=1)
    if len(images) != 1 or len(labels) != 1:
        raise ProblemError(
            422, "Send a part named 'file' with an image, and one named 'label' with a class or nothing."
        )
    return images[0], labels[0]


async def _read_form(request: Request, *, max_files: int) -> tuple[list[UploadedImage], list[str]]:
    """Return the files ``file`` and the texts ``label`` of a multipart body, all in memory: the gate limits its size.

    A part without a file name is a text.

    Raises:
        ProblemError: It is malformed, has too many parts, or a text called ``file``.
    """
    named = parse_options_header(request.headers["content-type"])[1]
    if not named.get(b"boundary"):
        raise ProblemError(400, "The Content-Type names no boundary.")
    if named.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise ProblemError(400, "The names of a multipart body are expected in UTF-8.")
    parser = _Parser(request.headers, request.stream(), max_files=max_files, max_fields=max_files + 8)
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        if isinstance(error, MultiPartException) and error.message.startswith("Too many files"):
            raise too_many(max_files) from error
        raise ProblemError(400, f"The multipart body is malformed: {error}") from error
    images, labels = [], []
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            if name == "file":
                images.append(UploadedImage(part.file.read(), part.filename))
            part.file.close()
        elif name == "file":
            raise ProblemError(422, "A part 'file' has no file name, so it is a text and not an image.")
        elif name == "label":
            labels.append(part)
    return images, labels


class _Parser(MultiPartParser):
    """Starlette's parser, which keeps files in memory instead of writing them to disk from 1 MB on."""

    spool_max_size = 1 << 40


async def read_json(request: Request, read: Callable[[Any], Read]) -> Read:
    """Return what a function reads from a body of JSON, which is parsed beside the event loop.

    Raises:
        ProblemError: The body is something else, is no JSON, or has too much in it.
    """
    kind = media_type(request)
    if kind != "application/json":
        raise unsupported_type("application/json", kind)
    body = await request.body()
    return await asyncio.to_thread(lambda: read(parse(body)))


def parse(body: bytes) -> Any:
    """Return the document in JSON.

    Raises:
        ProblemError: It is no JSON, or has too much in it.
    """
    if sum(map(body.count, b",:[{")) > _MOST_MARKS:
        raise ProblemError(422, f"JSON may have {_MOST_MARKS:,} commas, colons and opening brackets at most.")
    try:
        document = _JSON.validate_json(body)
    except ValidationError as error:
        raise ProblemError(400, "The body is not JSON.") from error
    _check_bounds(document)
    return document


def _check_bounds(part: Any) -> None:
    """Check how many keys and items there are at any depth, before a model sees them.

    Raises:
        ProblemError: There are too many, or a key is too long.
    """
    if isinstance(part, dict):
        if len(part) > _MOST_KEYS or any(len(key) > schemas.LONGEST_KEY for key in part):
            raise ProblemError(
                422, f"An object may have {_MOST_KEYS} keys of {schemas.LONGEST_KEY} characters at most."
            )
        part = list(part.values())
    if isinstance(part, list):
        if len(part) > MAX_IMAGES:
            raise too_many(MAX_IMAGES)
        for inner in part:
            _check_bounds(inner)


def _images(document: Any) -> list[UploadedImage | WebImage]:
    entries = validate(schemas.ImageBatch, document).images
    return [
        WebImage(entry.url) if isinstance(entry, schemas.Address) else UploadedImage(entry.content) for entry in entries
    ]


def validate(schema: type[Schema], document: Any) -> Schema:
    """Return a document as its schema describes it.

    Raises:
        ProblemError: It is another one.
    """
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        # Without the context, whose error has a traceback with this frame: the body would stay in memory until Python
        # looks for cycles.
        first = error.errors(include_context=False, include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ProblemError(422, f"{place}: {said}" if place else said) from error


def unsupported_type(expected: str, kind: str) -> ProblemError:
    """Return the problem for a body of another media type."""
    received = f"'{kind}'" if kind else "none"
    return ProblemError(415, f"Expected a body of {expected}; received {received}.")


def too_many(most: int) -> ProblemError:
    """Return the problem for too many images."""
    return ProblemError(422, f"A request may have {most} images at most.")
