"""The routes of the Open Inference Protocol, version 2, as KServe and Triton have them over HTTP.

One input, the bytes of image files; one row of each output per image. The protocol has no null: ``sure`` and ``unlike``
are 1, 0, or -1 where they are not known. See https://github.com/open-inference/open-inference-protocol, and for tensors
in binary Triton's extension ``binary_tensor_data``.
"""

import asyncio
import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pixmill import __version__
from pixmill.learn.inference import Answer
from pixmill.serve import schemas, scoring_schemas
from pixmill.serve.api import InjectedEndpoints
from pixmill.serve.bodies import media_type, parse, too_many, unsupported_type, validate
from pixmill.serve.settings import MAX_IMAGES
from pixmill.web.problems import ProblemError

router = APIRouter(prefix="/v2")

HEAD_LENGTH = "Inference-Header-Content-Length"
"""Header of bodies with binary tensors: how many bytes of JSON come before them."""

_DATATYPES = {"O": "BYTES", "f": "FP64", "i": "INT8"}
"""The protocol's types of tensors by NumPy's kind."""


@router.get("", response_model=scoring_schemas.ServerInfo, responses=schemas.problems(401, 421))
async def server() -> Response:
    """Tell what the server is."""
    return JSONResponse({"name": "pixmill", "version": __version__, "extensions": ["binary_tensor_data"]})


@router.get("/health/ready", response_model=schemas.Health, responses=schemas.problems(421, 503))
async def ready(endpoints: InjectedEndpoints) -> Response:
    """Answer with 200 once the model is ready."""
    return await model_ready("default", endpoints)


@router.get("/models/{name:path}/ready", response_model=schemas.Health, responses=schemas.problems(401, 404, 421, 503))
async def model_ready(name: str, endpoints: InjectedEndpoints) -> Response:
    """Answer with 200 once the model is ready."""
    endpoints.named(name)
    return JSONResponse({"status": "ready"})


@router.post(
    "/models/{name:path}/infer",
    response_model=scoring_schemas.InferResponse,
    responses=schemas.problems(400, 401, 403, 404, 413, 415, 421, 422, 503),
    openapi_extra=scoring_schemas.infer_body(),
)
async def infer(name: str, request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images; in JSON they are base64, in binary tensors the bytes themselves."""
    known, _ = endpoints.named(name)
    kind = media_type(request)
    if kind not in ("", "application/json", "application/octet-stream"):
        raise unsupported_type("application/json, or application/octet-stream with tensors behind the JSON", kind)
    body = await request.body()
    asked, contents = await asyncio.to_thread(_read, body, request.headers.get(HEAD_LENGTH))
    loaded, answers = await endpoints.predict(contents, name)
    tensors = _tensors(answers, len(loaded.model.labels))
    wanted = asked.outputs or [scoring_schemas.WantedOutput(name=output) for output in tensors]
    wanted = list({output.name: output for output in wanted}.values())
    binary_by_default = asked.parameters.get("binary_data_output") is True
    outputs, tail = [], b""
    for output in wanted:
        values = tensors[output.name]
        datatype = _DATATYPES[values.dtype.kind]
        shown: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": values.shape}
        binary = output.parameters.binary_data
        if binary_by_default if binary is None else binary:
            content = _binary(values)
            shown["parameters"] = {"binary_data_size": len(content)}
            tail += content
        else:
            shown["data"] = values.ravel().tolist()
        outputs.append(shown)
    answer = {"model_name": known, "model_version": loaded.served_version, "outputs": outputs}
    if asked.id is not None:
        answer["id"] = asked.id
    if not any("parameters" in output for output in outputs):
        return JSONResponse(answer)
    head = json.dumps(answer).encode()
    return Response(head + tail, media_type="application/octet-stream", headers={HEAD_LENGTH: str(len(head))})


@router.get(
    "/models/{name:path}", response_model=scoring_schemas.TensorModel, responses=schemas.problems(401, 404, 421, 503)
)
async def model(name: str, endpoints: InjectedEndpoints) -> Response:
    """Describe the model's input and outputs; its classes stand in the order of `probabilities`."""
    name, loaded = endpoints.named(name)
    facts = loaded.model
    outputs = [
        {"name": output, "datatype": _DATATYPES[values.dtype.kind], "shape": [-1, *values.shape[1:]]}
        for output, values in _tensors([], len(facts.labels)).items()
    ]
    return JSONResponse(
        {
            "name": name,
            "versions": [loaded.served_version],
            "platform": "pixmill",
            "inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
            "outputs": outputs,
            "parameters": {"classes": list(facts.labels)},
        }
    )


def _read(body: bytes, length: str | None) -> tuple[scoring_schemas.InferRequest, list[bytes]]:
    """Return a request, and the images in it.

    Args:
        body: JSON, and behind it tensors in binary.
        length: How many bytes the JSON has; ``None``: all.

    Raises:
        ProblemError: It is malformed, or not as described.
    """
    if length is not None and not (length.isascii() and length.isdigit() and len(length) < 10):
        raise ProblemError(400, f"{HEAD_LENGTH}: expected a number of bytes.")
    end = len(body) if length is None else int(length)
    if end > len(body):
        raise ProblemError(400, f"{HEAD_LENGTH}: expected {len(body)} at most, the length of the body.")
    asked = validate(scoring_schemas.InferRequest, parse(body[:end]))
    (given,) = asked.inputs
    size = given.parameters.binary_data_size
    if (size is None) == (given.data is None):
        raise ProblemError(422, "inputs.0: expected data, or parameters.binary_data_size and the data behind the JSON.")
    if len(body) - end != (size or 0):
        raise ProblemError(
            422, f"inputs.0.parameters.binary_data_size: {len(body) - end} bytes came behind the JSON, not {size or 0}."
        )
    contents = list(_elements(memoryview(body)[end:])) if given.data is None else given.data
    if given.shape not in ([len(contents)], [len(contents), 1]):
        raise ProblemError(422, f"inputs.0.shape: expected [{len(contents)}], as many as there are images.")
    return asked, contents


def _elements(rest: memoryview) -> Iterator[bytes]:
    """Yield the elements of a binary tensor of BYTES: each has its length before it, in four bytes."""
    found = 0
    while rest:
        size = struct.unpack_from("<I", rest)[0] if len(rest) >= 4 else len(rest)
        if size > len(rest) - 4:
            raise ProblemError(422, "inputs.0: the binary data ends within an element.")
        if found == MAX_IMAGES:
            raise too_many(MAX_IMAGES)
        yield bytes(rest[4 : 4 + size])
        rest, found = rest[4 + size :], found + 1


def _tensors(answers: Sequence[Answer], classes: int) -> dict[str, npt.NDArray[Any]]:
    """Return the outputs by name; where there is no prediction, ``reason`` says why, and the others are empty or 0."""
    told = [answer.prediction for answer in answers]
    none = np.zeros(classes)
    return {
        "label": np.array([one.label or "" for one in told], object),
        "confidence": np.array([one.confidence or 0.0 for one in told], "<f8"),
        "sure": np.array([-1 if one.sure is None else one.sure for one in told], np.int8),
        "unlike": np.array([-1 if one.unlike is None else one.unlike for one in told], np.int8),
        "probabilities": np.array(
            [none if one.probabilities is None else one.probabilities for one in told], "<f8"
        ).reshape(-1, classes),
        "reason": np.array([one.reason or "" for one in told], object),
    }


def _binary(values: npt.NDArray[Any]) -> bytes:
    if values.dtype != object:
        return values.tobytes()
    encoded = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)
