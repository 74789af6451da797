"""Requests and answers of clients that were written for other servers, as OpenAPI describes them."""

import base64
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema

from pixmill.serve.schemas import LONGEST_KEY, Schema, raw_bodies, request_body
from pixmill.serve.settings import MAX_IMAGES

_Scalar = bool | float | str | None


def _decode_cell(value: Any) -> bytes:
    """Decode as MLflow does: what is not of base64's alphabet, such as the ends of lines, is skipped."""
    for _ in range(2):  # {"image": {"b64": "…"}}
        if isinstance(value, dict | list) and len(value) == 1:
            (value,) = value.values() if isinstance(value, dict) else value
    if not isinstance(value, str):
        raise ValueError('expected an image in base64: a string, or an object with one key such as {"b64": "…"}')
    try:
        return base64.b64decode(value.encode())
    except ValueError as error:
        raise ValueError(f"expected an image in base64: {error}") from error


def _wrapped(form: dict[str, Any]) -> dict[str, Any]:
    """Describe a cell alone, or as the only value of an object or an array."""
    one = {"minProperties": 1, "maxProperties": 1, "minItems": 1, "maxItems": 1}
    return {"anyOf": [form, {"type": ["object", "array"], "additionalProperties": form, "items": form, **one}]}


Cell = Annotated[
    bytes, PlainValidator(_decode_cell), WithJsonSchema(_wrapped(_wrapped({"type": "string", "format": "byte"})))
]
Cells = Annotated[list[Cell], Field(max_length=MAX_IMAGES)]


class Inputs(BaseModel):
    """Images, as MLflow's clients send tensors; like MLflow's server, this one ignores other keys."""

    inputs: Cells


class Instances(Schema):
    """Images, as clients of TensorFlow Serving and KServe send them; `parameters` are ignored."""

    instances: Cells
    signature_name: Literal["serving_default"] = "serving_default"
    parameters: Any = None


class Records(Schema):
    """A table of one column, row by row."""

    dataframe_records: Cells
    params: Any = None


class Rows(Schema):
    """The rows of a table in CSV."""

    rows: Cells


class _Table(Schema):
    """A table of one column of images, as pandas splits it."""

    columns: list[_Scalar] = Field(default=[], max_length=1)
    index: list[_Scalar | Annotated[list[_Scalar], Field(max_length=MAX_IMAGES)]] = Field(
        default=[], max_length=MAX_IMAGES
    )
    data: list[Annotated[list[Cell], Field(min_length=1, max_length=1)]] = Field(max_length=MAX_IMAGES)


class SplitTable(Schema):
    """A table of one column, as pandas writes it with ``orient="split"``."""

    dataframe_split: _Table
    params: Any = None


class _TopK(Schema):
    """What a client of Hugging Face may ask for."""

    top_k: int | None = Field(default=None, ge=1, description="How many classes; default: all.")
    function_to_apply: Literal["softmax"] | None = None


class LabelRequest(Schema):
    """An image, as clients of Hugging Face send it."""

    inputs: Cell
    parameters: _TopK = _TopK()


class _InputParameters(Schema):
    binary_data_size: int | None = Field(default=None, ge=0, description="Bytes of the tensor behind the JSON.")
    content_type: Literal["base64"] | None = None


class Tensor(Schema):
    """Images, as clients of the Open Inference Protocol send them; any name will do."""

    name: str
    shape: list[int] = Field(max_length=2, description="The number of images, with or without a 1 behind it.")
    datatype: Literal["BYTES"]
    parameters: _InputParameters = _InputParameters()
    data: Cells | None = None


class _OutputParameters(Schema):
    binary_data: bool | None = None


class WantedOutput(Schema):
    """An output that the client asks for."""

    name: Literal["label", "confidence", "sure", "unlike", "probabilities", "reason"]
    parameters: _OutputParameters = _OutputParameters()


class InferRequest(Schema):
    """A request of the Open Inference Protocol; of its `parameters`, `binary_data_output` is heeded."""

    id: str | None = Field(default=None, max_length=LONGEST_KEY)
    parameters: dict[str, Any] = Field(default={})
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: list[WantedOutput] = Field(default=[], max_length=MAX_IMAGES)


class LabelScore(Schema):
    """A class and its calibrated probability."""

    label: str
    score: float = Field(ge=0, le=1)


class ModelNames(Schema):
    """The names of the model."""

    models: list[str]


class ModelStatus(Schema):
    """That the model is ready: `name` and `ready` for KServe, the rest for TensorFlow Serving."""

    name: str
    ready: bool
    model_version_status: list[dict[str, str | dict[str, str]]]


class ServerInfo(Schema):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class _Described(Schema):
    name: str
    datatype: str
    shape: list[int]


class TensorModel(Schema):
    """The model's input and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[_Described]
    outputs: list[_Described]
    parameters: dict[str, list[str]]


class _Output(_Described):
    data: list[str | float] | None = None
    parameters: dict[str, int] | None = None


class InferResponse(Schema):
    """One row of each output per image."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[_Output]


def cells_body() -> dict[str, Any]:
    """Describe a body with images in one of the forms of MLflow's clients, or the bytes of one."""
    forms = [model.model_json_schema() for model in (Inputs, Instances, Records, SplitTable)]
    forms[-1]["properties"]["dataframe_split"] = forms[-1].pop("$defs")["_Table"]
    return request_body({"application/json": {"schema": {"anyOf": forms}}, **raw_bodies()})


def instances_body() -> dict[str, Any]:
    """Describe a body with images as clients of TensorFlow Serving and KServe send them."""
    return request_body({"application/json": {"schema": Instances.model_json_schema()}})


def infer_body() -> dict[str, Any]:
    """Describe a body of the Open Inference Protocol."""
    return request_body({"application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}}})


def infer_parts() -> dict[str, Any]:
    """Return the schemas that the body of the Open Inference Protocol refers to, by name."""
    form = InferRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**form.pop("$defs"), "InferRequest": form}


def label_body() -> dict[str, Any]:
    """Describe a body with one image as clients of Hugging Face send it."""
    form = LabelRequest.model_json_schema()
    form["properties"]["parameters"] = form.pop("$defs")["_TopK"]
    return request_body({**raw_bodies(), "application/json": {"schema": form}})
