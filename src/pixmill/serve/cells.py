"""The images in bodies of clients that were written for other servers: cells of tables, instances and inputs."""

import asyncio
import csv
import io
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from pixmill.serve import scoring_schemas
from pixmill.serve.bodies import is_raw, media_type, parse, read_json, too_many, unsupported_type, validate
from pixmill.serve.settings import MAX_IMAGES
from pixmill.web.problems import ProblemError

_MOST_MARKS = 1_000_000
"""Commas and ends of lines in CSV: 20 MiB of base64 in lines of 64 characters have two thirds of them."""


async def read_cells(request: Request) -> list[bytes]:
    """Return the images in a body of MLflow's clients: JSON in one of its forms, or CSV; or the bytes of one image.

    Raises:
        ProblemError: The body is something else, is malformed, or not as described.
    """
    kind = media_type(request)
    if is_raw(kind):
        return [await request.body()]
    _, options = parse_options_header(request.headers.get("content-type", ""))
    charset = options.pop(b"charset", b"utf-8").lower()
    if kind in ("application/json", "text/csv") and (charset != b"utf-8" or options):
        raise ProblemError(415, "Expected a body in UTF-8, and no other parameter in Content-Type.")
    if kind == "text/csv":
        return await asyncio.to_thread(_csv_cells, await request.body())
    if kind != "application/json":
        raise unsupported_type("application/json, text/csv or image/*", kind)
    return await read_json(request, _json_cells)


async def read_instances(request: Request) -> list[bytes]:
    """Return the images in a body of TensorFlow Serving's or KServe's clients.

    The type that the request names is ignored, as by TensorFlow Serving, whose examples send that of a form: curl's.

    Raises:
        ProblemError: The body is no JSON, or not as described.
    """
    body = await request.body()
    return await asyncio.to_thread(lambda: validate(scoring_schemas.Instances, parse(body)).instances)


async def read_label_request(request: Request) -> tuple[bytes, int | None]:
    """Return the image in a body of Hugging Face's client, and for how many classes it asks; ``None``: for all.

    Raises:
        ProblemError: The body is something else, is malformed, or not as described.
    """
    kind = media_type(request)
    if is_raw(kind) or not kind:
        return await request.body(), None
    if kind != "application/json":
        raise unsupported_type("image/*, application/octet-stream or application/json", kind)
    asked = await read_json(request, lambda document: validate(scoring_schemas.LabelRequest, document))
    return asked.inputs, asked.parameters.top_k


def _json_cells(document: Any) -> list[bytes]:
    match document:
        case {"inputs": _}:
            return validate(scoring_schemas.Inputs, document).inputs
        case {"instances": _}:
            return validate(scoring_schemas.Instances, document).instances
        case {"dataframe_records": _}:
            return validate(scoring_schemas.Records, document).dataframe_records
        case {"dataframe_split": _}:
            return [row[0] for row in validate(scoring_schemas.SplitTable, document).dataframe_split.data]
    raise ProblemError(422, "Expected an object with inputs, instances, dataframe_records or dataframe_split.")


def _csv_cells(body: bytes) -> list[bytes]:
    """Return the images in a table, whose first row names its columns; all but the first column are ignored.

    Blank lines are skipped, as pandas does.
    """
    if sum(map(body.count, b",\r\n")) > _MOST_MARKS:
        raise ProblemError(422, f"CSV may have {_MOST_MARKS:,} commas and ends of lines at most.")
    csv.field_size_limit(max(csv.field_size_limit(), len(body)))  # It holds for the process, and bodies are bounded.
    try:
        lines = io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")
        rows = csv.reader(filter(str.strip, lines), strict=True)
        if next(rows, None) is None:
            raise ProblemError(400, "Expected CSV whose first line names the column.")
        cells: list[str] = []
        for row in rows:
            if len(cells) == MAX_IMAGES:
                raise too_many(MAX_IMAGES)
            cells.append(row[0])
    except (ValueError, csv.Error) as error:
        raise ProblemError(400, f"The body is not CSV in UTF-8: {error}.") from error
    return validate(scoring_schemas.Rows, {"rows": cells}).rows
