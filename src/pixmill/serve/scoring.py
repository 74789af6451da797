"""The routes that MLflow's scoring clients use: /invocations and /ping."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pixmill.serve import schemas
from pixmill.serve.api import InjectedEndpoints
from pixmill.serve.bodies import read_cells

router = APIRouter()


@router.post(
    "/invocations",
    response_model=schemas.Scores,
    responses=schemas.problems(400, 401, 403, 413, 415, 421, 422, 503),
    openapi_extra=schemas.cells_body(),
)
async def invocations(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images as MLflow's own server does for the model `classifier`."""
    loaded, answers = await endpoints.predict(await read_cells(request))
    return JSONResponse({"predictions": [answer.prediction.as_row(loaded.model.labels) for answer in answers]})


@router.get(
    "/ping",
    response_class=Response,
    responses=schemas.describe_answer("text/plain", "Ready.") | schemas.problems(421, 503),
)
async def ping(endpoints: InjectedEndpoints) -> Response:
    """Answer with 200 once the model is ready."""
    assert endpoints.loaded
    return Response("\n", media_type="text/plain")
