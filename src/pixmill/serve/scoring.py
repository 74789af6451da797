"""The routes that MLflow's scoring clients use: /invocations and /ping."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pixmill.serve import schemas
from pixmill.serve.api import Desk
from pixmill.serve.bodies import decoded, parse_json
from pixmill.serve.problems import Problem

__all__ = ["routes"]

_FORMS = "inputs, instances, dataframe_records or dataframe_split, with the images in base64"


def routes(desk: Desk) -> APIRouter:
    """Return the routes.

    Args:
        desk: Answers.
    """
    router = APIRouter()

    @router.post(
        "/invocations",
        response_model=schemas.Scores,
        responses=schemas.problems(400, 401, 403, 413, 415, 421, 422, 503),
        openapi_extra=schemas.scoring_body(desk.settings.max_images),
    )
    async def invocations(request: Request) -> Response:
        """Predict images as MLflow's own server does for the model `classifier`."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "Expected a body of application/json.")
        cells = _cells(await parse_json(request))
        if not 1 <= len(cells) <= desk.settings.max_images:
            raise Problem(422, f"Expected 1 to {desk.settings.max_images} images, received {len(cells)}.")
        contents = [decoded(cell, f"image {place}") for place, cell in enumerate(cells)]
        loaded, answers = await desk.predict(contents)
        return JSONResponse({"predictions": [answer.prediction.as_row(loaded.model.labels) for answer in answers]})

    @router.get(
        "/ping",
        response_class=Response,
        responses=schemas.answered("text/plain", "Ready.") | schemas.problems(421, 503),
    )
    async def ping() -> Response:
        """Answer with 200 once the model is ready."""
        assert desk.loaded
        return Response("\n", media_type="text/plain")

    return router


def _cells(document: Any) -> list[str]:
    """Return the images in a body, still in base64.

    Raises:
        Problem: It is none of MLflow's forms.
    """
    cells: list[Any] = []
    if isinstance(document, dict) and len(document) == 1:
        match document:
            case {"inputs": [*rows]} | {"instances": [*rows]}:
                cells = rows
            case {"dataframe_records": [*rows]}:
                cells = [next(iter(row.values())) if isinstance(row, dict) and len(row) == 1 else None for row in rows]
            case {"dataframe_split": {"columns": [str()], "data": [*rows], **rest}} if _is_index(rest):
                cells = [row[0] if isinstance(row, list) and len(row) == 1 else None for row in rows]
    if not cells or not all(isinstance(cell, str) for cell in cells):
        raise Problem(422, f"Expected one of {_FORMS}.")
    return cells


def _is_index(rest: dict[Any, Any]) -> bool:
    """Tell whether nothing is left of a table but its index."""
    return not rest or (rest.keys() == {"index"} and isinstance(rest["index"], list))
