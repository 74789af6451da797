"""The API's requests and answers, as OpenAPI describes them."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from pixmill.serve.settings import MAX_IMAGES
from pixmill.web.problems import MEDIA_TYPE

LONGEST_KEY = 256
"""Maximum number of characters of a key in JSON."""

BINARY = {"type": "string", "format": "binary"}
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class Schema(BaseModel):
    """A body with no unknown key."""

    model_config = ConfigDict(extra="forbid")


def _decode(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("expected base64")
    return base64.b64decode(text, validate=True)


Base64 = Annotated[
    bytes, PlainValidator(_decode), WithJsonSchema({"type": "string", "format": "byte", "pattern": _BASE64})
]


class Content(Schema):
    """An image."""

    content: Base64


class Address(Schema):
    """An image on the web."""

    url: str = Field(max_length=4096, description="http or https.")


class ImageBatch(Schema):
    """Images, or their addresses."""

    images: list[Content | Address] = Field(min_length=1, max_length=MAX_IMAGES)


class Served(Schema):
    """The model that answered."""

    name: str
    version: str | None = Field(description="Version in MLflow's registry.")
    digest: str = Field(description="SHA-256 of the files that decide its predictions.")


class Predicted(Schema):
    """The prediction for one image; `reason` and `message` say why where there is none."""

    id: str | None = Field(description="SHA-256 of the image's bytes.")
    name: str | None = Field(description="File name or URL, as it was sent.")
    label: str | None = Field(description="The most probable class.")
    confidence: float | None = Field(ge=0, le=1, description="Its calibrated probability.")
    sure: bool | None = Field(description="Whether the confidence reaches the model's threshold.")
    unlike: bool | None = Field(description="Whether the image is unlike the training images; then never sure.")
    probabilities: dict[str, float] | None = Field(description="The calibrated probability of each class.")
    reason: str | None = Field(description="Why there is no prediction, in a word.")
    message: str | None = Field(description="The same in a sentence.")


class Predictions(Schema):
    """One prediction per image, in order."""

    model: Served
    predictions: list[Predicted]


class Bounds(Schema):
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


class TestImage(Schema):
    """A test image."""

    id: str
    label: str
    url: str


class Examples(Schema):
    """Some test images of each class; none outside of a project."""

    examples: list[TestImage]


class Filed(Schema):
    """A correction that is on disk."""

    id: str = Field(description="SHA-256 of the image's bytes.")


class Scores(Schema):
    """One row per input: label, confidence, sure, unlike, p_<class> of each class, reason."""

    predictions: list[dict[str, float | bool | str | None]]


class Health(Schema):
    """That the server is alive, or ready to predict."""

    status: Literal["alive", "ready"]


class Ready(Schema):
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


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of answers that are problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


_MEANINGS = {
    400: "The body is malformed.",
    401: "An API key is missing or wrong.",
    403: "Pages of other sites, or URLs, are not accepted.",
    404: "There is none.",
    413: "The body is too large.",
    415: "The body is of another type.",
    421: "The server does not answer to this name.",
    422: "The body is not as described.",
    429: "Too many URLs in a minute.",
    503: "Too much to do, and Retry-After says when to come again; or, without it, the inbox is full.",
}


def describe_answer(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer that is not JSON."""
    schema = {"type": "string"} if media_type.startswith("text/") else BINARY
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def images_body(*, urls: bool) -> dict[str, Any]:
    """Describe a body with one or several images.

    Args:
        urls: Whether an image may be named by its URL.
    """
    files = {"type": "array", "items": BINARY, "minItems": 1, "maxItems": MAX_IMAGES}
    several = ImageBatch.model_json_schema()
    entries = several.pop("$defs")
    several["properties"]["images"]["items"] = {"anyOf": list(entries.values())} if urls else entries["Content"]
    return request_body(
        {
            "multipart/form-data": _form({"file": files}, ["file"]),
            **raw_bodies(),
            "application/json": {"schema": several},
        }
    )


def address_body() -> dict[str, Any]:
    """Describe a body with the address of an image."""
    return request_body({"application/json": {"schema": Address.model_json_schema()}})


def image_body() -> dict[str, Any]:
    """Describe a body with one image."""
    return request_body({"multipart/form-data": _form({"file": BINARY}, ["file"]), **raw_bodies()})


def correction_body(labels: Sequence[str]) -> dict[str, Any]:
    """Describe a body with one image and what a person says it is.

    Args:
        labels: The classes.
    """
    label = {"type": "string", "enum": [*labels, ""], "description": "The class; empty: none of them."}
    return request_body({"multipart/form-data": _form({"file": BINARY, "label": label}, ["file", "label"])})


def label_parameter(labels: Sequence[str]) -> dict[str, Any]:
    """Describe the query parameter that names a class.

    Args:
        labels: The classes.
    """
    schema = {"type": "string", "enum": list(labels)}
    return {"name": "label", "in": "query", "required": False, "schema": schema, "description": "Default: its answer."}


def request_body(content: dict[str, Any]) -> dict[str, Any]:
    """Describe a body by its media types."""
    return {"requestBody": {"required": True, "content": content}}


def raw_bodies() -> dict[str, Any]:
    """Describe the bytes of one image, by their media types."""
    return {"image/*": {"schema": BINARY}, "application/octet-stream": {"schema": BINARY}}


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": properties, "required": required}}
