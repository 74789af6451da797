"""The routes that MLflow's scoring clients use: /invocations and /ping."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from pixmill.serve import schemas
from pixmill.serve.api import Desk

__all__ = ["routes"]

Body = schemas.Inputs | schemas.Instances | schemas.Records | schemas.Split


def routes(desk: Desk) -> APIRouter:
    """Return the routes.

    Args:
        desk: Answers.
    """
    router = APIRouter()

    @router.post(
        "/invocations",
        response_model=schemas.Scores,
        responses=schemas.problems(400, 401, 403, 413, 421, 422, 503),
    )
    async def invocations(body: Body) -> Response:
        """Predict images as MLflow's own server does for the model `classifier`."""
        loaded, answers = await desk.predict(_cells(body))
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


def _cells(body: Body) -> list[bytes]:
    """Return the images in a body."""
    match body:
        case schemas.Inputs(inputs=cells) | schemas.Instances(instances=cells):
            return cells
        case schemas.Records(dataframe_records=rows):
            return [cell for row in rows for cell in row.values()]
        case schemas.Split(dataframe_split=table):
            return [cell for row in table.data for cell in row]
