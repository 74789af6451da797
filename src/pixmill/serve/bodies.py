"""The images in a request's body: multipart, raw bytes, or JSON with base64 or URLs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pixmill.serve import schemas
from pixmill.serve.problems import Problem
from pixmill.serve.settings import MAX_IMAGES

__all__ = ["Image", "WebImage", "invalid", "one_image", "read_correction", "read_images"]


@dataclass(frozen=True, slots=True)
class Image:
    """Hold an image that came with a request.

    Args:
        content: Its bytes.
        name: Its file name, as the client gave it; ``None`` if it gave none.
    """

    content: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class WebImage:
    """Hold the address of an image.

    Args:
        url: The address.
    """

    url: str


def _kind(request: Request) -> str:
    """Return the media type of a body, in lower case and without parameters; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_raw(kind: str) -> bool:
    """Tell whether a media type stands for the bytes of one image."""
    return kind.startswith("image/") or kind == "application/octet-stream"


async def read_images(request: Request, *, urls: bool) -> list[Image | WebImage]:
    """Return the images of a request, in order: at least one.

    Args:
        request: The request.
        urls: Whether JSON may name images by their URL.

    Raises:
        Problem: The body is none of the three forms, is malformed, or has no image or too many.
    """
    kind = _kind(request)
    images: list[Image | WebImage]
    if _is_raw(kind):
        return [Image(await request.body())]
    if kind == "multipart/form-data":
        form = await _read_form(request, max_files=MAX_IMAGES)
        images = [image for name, image in form if name == "file" and isinstance(image, Image)]
        if not images:
            raise Problem(422, "Send at least one part named 'file' with an image and its file name.")
    elif kind == "application/json":
        images = _listed(await request.body(), urls=urls)
    else:
        raise _unsupported("multipart/form-data, image/*, application/octet-stream or application/json", kind)
    return images


async def one_image(request: Request) -> Image:
    """Return the only image of a request, multipart or raw.

    Raises:
        Problem: The body is neither, is malformed, or has another number of images.
    """
    kind = _kind(request)
    if _is_raw(kind):
        return Image(await request.body())
    if kind != "multipart/form-data":
        raise _unsupported("multipart/form-data, image/* or application/octet-stream", kind)
    form = await _read_form(request, max_files=1)
    images = [image for name, image in form if name == "file" and isinstance(image, Image)]
    if len(images) != 1:
        raise Problem(422, f"Send exactly one part named 'file' with an image; received {len(images)}.")
    return images[0]


async def read_correction(request: Request) -> tuple[Image, str]:
    """Return the image and the label of a correction, which is multipart.

    Raises:
        Problem: The body is something else, is malformed, or has another number of images or labels.
    """
    kind = _kind(request)
    if kind != "multipart/form-data":
        raise _unsupported("multipart/form-data", kind)
    form = await _read_form(request, max_files=1)
    images = [part for name, part in form if name == "file" and isinstance(part, Image)]
    labels = [part for name, part in form if name == "label" and isinstance(part, str)]
    if len(images) != 1 or len(labels) != 1:
        raise Problem(422, "Send a part named 'file' with an image, and one named 'label' with a class or nothing.")
    return images[0], labels[0]


async def _read_form(request: Request, *, max_files: int) -> list[tuple[str, Image | str]]:
    """Return the parts of a multipart body, all in memory: the gate limits its size.

    A part without a file name is a text.

    Raises:
        Problem: It is malformed, has too many parts, or a text called ``file``.
    """
    named = parse_options_header(request.headers["content-type"])[1]
    if not named.get(b"boundary"):
        raise Problem(400, "The Content-Type names no boundary.")
    if named.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise Problem(400, "The names of a multipart body are expected in UTF-8.")
    parser = _Parser(request.headers, request.stream(), max_files=max_files, max_fields=max_files + 8)
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        if isinstance(error, MultiPartException) and error.message.startswith("Too many files"):
            raise _too_many(max_files) from error
        raise Problem(400, f"The multipart body is malformed: {error}") from error
    parts: list[tuple[str, Image | str]] = []
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            parts.append((name, Image(part.file.read(), part.filename)))
            part.file.close()
        elif name == "file":
            raise Problem(422, "A part 'file' has no file name, so it is a text and not an image.")
        else:
            parts.append((name, part))
    return parts


class _Parser(MultiPartParser):
    """Starlette's parser, which keeps files in memory instead of writing them to disk from 1 MB on."""

    spool_max_size = 1 << 40


def _listed(body: bytes, *, urls: bool) -> list[Image | WebImage]:
    try:
        entries = schemas.Images.model_validate_json(body).images
    except ValidationError as error:
        raise invalid(error.errors(include_input=False, include_url=False)) from error
    if not urls and any(isinstance(entry, schemas.Address) for entry in entries):
        raise Problem(403, "This server fetches no URLs: send the image itself.")
    return [WebImage(entry.url) if isinstance(entry, schemas.Address) else Image(entry.content) for entry in entries]


def invalid(errors: Sequence[Any]) -> Problem:
    """Return the problem for what pydantic found: 400 where it is no JSON, else 422.

    Args:
        errors: As pydantic lists them.
    """
    first = errors[0]
    if first["type"] == "json_invalid":
        return Problem(400, "The body is not JSON.")
    place = ".".join(str(part) for part in first["loc"])
    return Problem(422, f"{place}: {first['msg']}" if place else first["msg"])


def _unsupported(expected: str, kind: str) -> Problem:
    received = f"'{kind}'" if kind else "none"
    return Problem(415, f"Expected a body of {expected}; received {received}.")


def _too_many(most: int) -> Problem:
    return Problem(422, f"A request may have {most} images at most.")
