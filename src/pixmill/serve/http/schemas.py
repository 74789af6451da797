"""The API's requests and answers, as OpenAPI describes them."""

from typing import Any

from pydantic import Base64Bytes, BaseModel, Field

from pixmill.serve.http.settings import MAX_IMAGES
from pixmill.web.problems import MEDIA_TYPE


class Content(BaseModel):
    """An image."""

    content: Base64Bytes


class Address(BaseModel):
    """An image on the web."""

    url: str = Field(max_length=4096, description="http or https.")


class ImageBatch(BaseModel):
    """Images, or their addresses."""

    images: list[Content | Address] = Field(min_length=1, max_length=MAX_IMAGES)


class Table(BaseModel):
    """A table of one column, as pandas splits it."""

    data: list[tuple[Base64Bytes]] = Field(max_length=MAX_IMAGES)


class Invocation(BaseModel):
    """Images, as MLflow's client sends a list or an array (`inputs`), or a data frame."""

    inputs: list[Base64Bytes] | None = Field(default=None, max_length=MAX_IMAGES)
    dataframe_split: Table | None = None


class Served(BaseModel):
    """The model that answered."""

    name: str
    version: str | None = Field(description="Version in MLflow's registry.")
    digest: str = Field(description="SHA-256 of the files that decide its predictions.")


class Predicted(BaseModel):
    """The prediction for one image; `reason` and `message` say why where there is none."""

    id: str | None = Field(description="SHA-256 of the image's bytes.")
    name: str | None = Field(description="File name or URL, as it was sent.")
    label: str | None = Field(description="The most probable class.")
    confidence: float | None = Field(description="Its calibrated probability.")
    sure: bool | None = Field(description="Whether the confidence reaches the model's threshold.")
    unlike: bool | None = Field(description="Whether the image is unlike the training images; then never sure.")
    probabilities: dict[str, float] | None = Field(description="The calibrated probability of each class.")
    reason: str | None = Field(description="Why there is no prediction, in a word.")
    message: str | None = Field(description="The same in a sentence.")


class Predictions(BaseModel):
    """One prediction per image, in order."""

    model: Served
    predictions: list[Predicted]


class Bounds(BaseModel):
    """Limits on a request."""

    max_bytes: int
    max_images: int


class ModelInfo(Served):
    """What is known of the model, and what this server does with it."""

    commit: str | None
    classes: list[str]
    threshold: float | None = Field(description="The confidence from which it is sure.")
    image_size: int
    metrics: dict[str, float] = Field(description="On the test split.")
    explains: bool
    feedback: bool
    urls: bool
    limits: Bounds


class TestImage(BaseModel):
    """A test image."""

    id: str
    label: str
    url: str


class Examples(BaseModel):
    """Some test images of each class; none outside of a project."""

    examples: list[TestImage]


class Filed(BaseModel):
    """A correction that is on disk."""

    id: str = Field(description="SHA-256 of the image's bytes.")


class Scores(BaseModel):
    """One row per input: label, confidence, sure, unlike, p_<class> of each class, reason."""

    predictions: list[dict[str, float | bool | str | None]]


class Ready(BaseModel):
    """Whether images can be predicted."""

    ready: bool
    model: Served | None
    refused: str | None = Field(description="Why a newer model was refused; the one above serves on.")


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    error: str = Field(description="The same as `detail`.")


def _described(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": _described("What is wrong with the request, in its `detail`."),
    503: _described("Too much to do, and Retry-After says when to come again; or, without it, the inbox is full."),
}
"""Answers of every route that are problems."""

_BINARY = {"type": "string", "format": "binary"}
_RAW = {kind: {"schema": _BINARY} for kind in ("image/*", "application/octet-stream")}


def binary_answer(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer that is a file."""
    return {200: {"description": description, "content": {media_type: {"schema": _BINARY}}}}


def json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """Describe a body of JSON."""
    return _body({"application/json": {"schema": schema.model_json_schema()}})


def image_body(*, several: bool = False, **texts: str) -> dict[str, Any]:
    """Describe a body with an image.

    Args:
        several: Whether it may hold several, and may be JSON.
        texts: Descriptions of further parts, by name; with one, the body must be a form.
    """
    file = {"type": "array", "items": _BINARY, "maxItems": MAX_IMAGES} if several else _BINARY
    parts = {"file": file, **{name: {"type": "string", "description": text} for name, text in texts.items()}}
    form = {"multipart/form-data": {"schema": {"type": "object", "properties": parts, "required": list(parts)}}}
    # Its parts are written out, since a route's own description refers to none.
    entries = {"anyOf": [Content.model_json_schema(), Address.model_json_schema()]}
    batch = {"type": "object", "properties": {"images": {"type": "array", "items": entries, "maxItems": MAX_IMAGES}}}
    return _body(form | ({} if texts else _RAW) | ({"application/json": {"schema": batch}} if several else {}))


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
