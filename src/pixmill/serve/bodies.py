"""The images in a request's body: multipart, raw bytes, or JSON with base64 or URLs."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pixmill.serve.problems import Problem

__all__ = ["Image", "WebImage", "decoded", "one_image", "one_url", "parse_json", "read_correction", "read_images"]


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


async def read_images(request: Request, *, max_images: int, urls: bool) -> list[Image | WebImage]:
    """Return the images of a request, in order: at least one.

    Args:
        request: The request.
        max_images: Maximum number of images.
        urls: Whether JSON may name images by their URL.

    Raises:
        Problem: The body is none of the three forms, is malformed, or has no image or too many.
    """
    kind = _kind(request)
    images: list[Image | WebImage]
    if _is_raw(kind):
        return [Image(await request.body())]
    if kind == "multipart/form-data":
        form = await _read_form(request, max_files=max_images)
        images = [image for name, image in form if name == "file" and isinstance(image, Image)]
        if not images:
            raise Problem(422, "Send at least one part named 'file' with an image and its file name.")
    elif kind == "application/json":
        images = _listed(await parse_json(request), urls=urls)
    else:
        raise _unsupported("multipart/form-data, image/*, application/octet-stream or application/json", kind)
    if len(images) > max_images:
        raise _too_many(max_images)
    return images


async def one_url(request: Request) -> WebImage:
    """Return the image that a body of JSON names by its URL.

    Raises:
        Problem: The body is none of that form.
    """
    if (kind := _kind(request)) != "application/json":
        raise _unsupported("application/json", kind)
    match await parse_json(request):
        case {"url": str(url), **rest} if not rest:
            return WebImage(url)
    raise Problem(422, 'Expected {"url": "https://…"}.')


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
    if not parse_options_header(request.headers["content-type"])[1].get(b"boundary"):
        raise Problem(400, "The Content-Type names no boundary.")
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


async def parse_json(request: Request) -> Any:
    """Return a body of JSON.

    Raises:
        Problem: It is not JSON.
    """
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {error}") from error


def _listed(document: Any, *, urls: bool) -> list[Image | WebImage]:
    form = '{"images": [{"content": "<base64>"}' + (' or {"url": "https://…"}' if urls else "") + ", …]}"
    match document:
        case {"images": [_, *_] as entries} if len(document) == 1:
            pass
        case _:
            raise Problem(422, f"Expected {form}, with at least one image.")
    images: list[Image | WebImage] = []
    for place, entry in enumerate(entries):
        match entry:
            case {"content": str(text)} if len(entry) == 1:
                images.append(Image(decoded(text, f"images[{place}].content")))
            case {"url": str(url)} if len(entry) == 1 and urls:
                images.append(WebImage(url))
            case {"url": str()} if len(entry) == 1:
                raise Problem(403, "This server fetches no URLs: send the image itself.")
            case _:
                raise Problem(422, f"images[{place}]: expected {form}.")
    return images


def decoded(text: str, place: str) -> bytes:
    """Return what base64 stands for.

    Raises:
        Problem: It is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, f"{place} is not base64: {error}") from error


def _unsupported(expected: str, kind: str) -> Problem:
    received = f"'{kind}'" if kind else "none"
    return Problem(415, f"Expected a body of {expected}; received {received}.")


def _too_many(most: int) -> Problem:
    return Problem(422, f"A request may have {most} images at most.")
