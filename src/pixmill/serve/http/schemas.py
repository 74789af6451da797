"""Schemas of requests and responses."""

import base64
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from pixmill.local.problems import MEDIA_TYPE

MAX_IMAGES = 16
"""Maximum number of images in a request."""

MAX_BYTES = 20 << 20
"""Maximum size of a request's body, and of an image at a URL."""


def _decode(given: object) -> bytes:
    """Decode base64, also with line ends, in the URL-safe alphabet, or as a data URL."""
    head, comma, digits = str(given).rpartition(",")
    is_plain = not comma or (
        head[:5].lower() == "data:" and head.rstrip().lower().endswith(";base64")
    )
    try:
        if isinstance(given, str) and is_plain:
            return base64.b64decode(
                digits.encode("ascii").translate(_URL_SAFE, b" \t\r\n"), validate=True
            )
    except ValueError:
        pass
    raise ValueError("expected the image's bytes in base64, or data:image/png;base64,…")


_URL_SAFE = bytes.maketrans(b"-_", b"+/")

Base64 = Annotated[
    bytes, BeforeValidator(_decode), WithJsonSchema({"type": "string", "format": "base64"})
]
"""Bytes in base64, or in a data URL."""


def _check_address(given: object) -> object:
    if isinstance(given, str) and given[:5].lower() == "data:":
        raise ValueError("expected an address; send a data URL as content instead of url")
    return given


class Content(BaseModel):
    """An image."""

    content: Base64


class Address(BaseModel):
    """An image on the web."""

    url: Annotated[str, BeforeValidator(_check_address)] = Field(
        max_length=4096, description="http or https."
    )


def _refuse(_: object) -> None:
    raise ValueError("send it in the query, not in the JSON")


InQuery = Annotated[None, BeforeValidator(_refuse)]
"""What people expect in the body, too."""


class ImageBatch(BaseModel):
    """Images or their URLs."""

    images: list[Content | Address] = Field(min_length=1, max_length=MAX_IMAGES)
    classes: InQuery = None
    prior: InQuery = None


class Table(BaseModel):
    """A table of one column in pandas' `split` format."""

    data: list[tuple[Base64]] = Field(max_length=MAX_IMAGES)


class Invocation(BaseModel):
    """Images in the format of MLflow's client: a list or an array (`inputs`), or a data frame."""

    inputs: list[Base64] | None = Field(default=None, max_length=MAX_IMAGES)
    dataframe_split: Table | None = None


class Served(BaseModel):
    """The model that answered."""

    name: str
    version: str | None = Field(description="Version in MLflow's registry.")
    digest: str = Field(description="SHA-256 of the files that decide its predictions.")


class LabelAnswer(BaseModel):
    """The answer to one of several labels."""

    label: str
    probability: float = Field(description="The calibrated probability of yes.")
    answer: bool = Field(description="Whether the image has the label.")
    sure: bool | None = Field(description="Whether the promised accuracy holds for this answer.")


class Predicted(BaseModel):
    """The prediction for one image, or `reason` and `message` if there is none."""

    id: str | None = Field(description="SHA-256 of the image's bytes.")
    name: str | None = Field(description="File name or URL as the client sent it.")
    label: str | None = Field(
        description="The most probable class; of several labels, those that the image has, or "
        "`none of these`."
    )
    confidence: float | None = Field(
        description="Its calibrated probability; of several labels, that the least certain answer "
        "is right."
    )
    labels: list[LabelAnswer] | None = Field(
        default=None, description="Of several labels, the answer to each."
    )
    sure: bool | None = Field(description="Whether the confidence reaches the model's threshold.")
    unlike: bool | None = Field(
        description="Whether the image is unlike the training images, and thus never sure."
    )
    probabilities: dict[str, float] | None = Field(
        description="The calibrated probability of each class."
    )
    reason: str | None = Field(description="Code of the reason why there is no prediction.")
    message: str | None = Field(description="The reason as a sentence.")


class Predictions(BaseModel):
    """One prediction per image, in order."""

    model: Served
    predictions: list[Predicted]


class Bounds(BaseModel):
    """Limits on a request."""

    max_bytes: int
    max_images: int


class ModelInfo(Served):
    """The model, and the features of this server."""

    promoted: float | None = Field(
        description="When its version was registered, in seconds since 1970."
    )
    commit: str | None
    committed: float | None = Field(description="Time of this commit, in seconds since 1970.")
    classes: list[str]
    threshold: float | None = Field(description="Confidence from which a prediction is sure.")
    labels: dict[str, dict[str, float | None]] | None = Field(
        default=None,
        description="Of several labels, the probabilities from which the answer is yes "
        "(`threshold`), a yes is sure (`sure_yes`), and up to which a no is sure (`sure_no`).",
    )
    cautions: list[str] = Field(description="Warnings about the model's confidence, with remedies.")
    image_size: int
    metrics: dict[str, float] = Field(description="On the test split.")
    explains: bool
    feedback: bool
    urls: bool
    file: bool = Field(description="Whether the model is at `/model.html`, for use offline.")
    limits: Bounds


class TestImage(BaseModel):
    """A test image."""

    id: str
    label: str
    url: str


class Examples(BaseModel):
    """Test images of each class; empty outside of a project."""

    examples: list[TestImage]


class TrainingImage(BaseModel):
    """A training image."""

    id: str
    label: str
    similarity: float = Field(description="Cosine similarity of the features, -1 to 1.")
    thumbnail: str = Field(description="A JPEG as data URI.")


class Nearest(BaseModel):
    """Most similar training images; empty without an evaluation of this model."""

    nearest: list[TrainingImage]


class Filed(BaseModel):
    """A saved correction."""

    id: str = Field(description="SHA-256 of the image's bytes.")


class Scores(BaseModel):
    """One row per input: label, confidence, sure, unlike, p_<class> for each class, reason."""

    predictions: list[dict[str, float | bool | str | None]]


class Ready(BaseModel):
    """Readiness of the server."""

    ready: bool
    model: Served | None
    refused: str | None = Field(
        description="Error of a newer model that was refused; the model above serves on."
    )


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    error: str = Field(description="The same as `detail`.")


def _described(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}},
    }


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": _described("The request is invalid; `detail` says why."),
    503: _described(
        "The server is busy; retry after `Retry-After` seconds. Without that header, the inbox is "
        "full."
    ),
}
"""Error responses of every route."""

_BINARY = {"type": "string", "format": "binary"}
_RAW = {kind: {"schema": _BINARY} for kind in ("image/*", "application/octet-stream")}


def binary_answer(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """Describe a response that is a file."""
    return {200: {"description": description, "content": {media_type: {"schema": _BINARY}}}}


def json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body."""
    return _body({"application/json": {"schema": schema.model_json_schema()}})


def image_body(*, several: bool = False, **texts: str) -> dict[str, Any]:
    """Describe a body with an image.

    Args:
        several: Whether several images and JSON are accepted.
        texts: Descriptions of further text parts by name; if there are any, the body must be a
            form.
    """
    file = {"type": "array", "items": _BINARY, "maxItems": MAX_IMAGES} if several else _BINARY
    parts = {
        "file": file,
        **{name: {"type": "string", "description": text} for name, text in texts.items()},
    }
    form = {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": parts, "required": list(parts)}
        }
    }
    # Inlined, since `openapi_extra` of a route cannot refer to components.
    entries = {"anyOf": [Content.model_json_schema(), Address.model_json_schema()]}
    batch = {
        "type": "object",
        "properties": {"images": {"type": "array", "items": entries, "maxItems": MAX_IMAGES}},
    }
    return _body(
        form
        | ({} if texts else _RAW)
        | ({"application/json": {"schema": batch}} if several else {})
    )


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
