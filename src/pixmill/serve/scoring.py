"""The routes of clients that were written for other servers: MLflow, TensorFlow Serving, KServe and Hugging Face.

``open_inference`` has those of the Open Inference Protocol.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pixmill import __version__
from pixmill.learn.prediction_reasons import meaning
from pixmill.serve import schemas, scoring_schemas
from pixmill.serve.api import InjectedEndpoints
from pixmill.serve.cells import read_cells, read_instances, read_label_request
from pixmill.web.problems import ProblemError

router = APIRouter()

_REFUSALS = schemas.problems(400, 401, 403, 413, 415, 421, 422, 503)
_NAMED = schemas.problems(401, 404, 421, 503)


@router.post(
    "/invocations", response_model=schemas.Scores, responses=_REFUSALS, openapi_extra=scoring_schemas.cells_body()
)
async def invocations(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images as MLflow's own server does for the model `classifier`; a table in CSV will do, too."""
    return await _scores(await read_cells(request), endpoints)


@router.get(
    "/ping",
    response_class=Response,
    responses=schemas.describe_answer("text/plain", "Ready.") | schemas.problems(421, 503),
)
@router.get(
    "/health",
    response_class=Response,
    responses=schemas.describe_answer("text/plain", "Ready.") | schemas.problems(421, 503),
)
async def ping(endpoints: InjectedEndpoints) -> Response:
    """Answer with 200 once the model is ready."""
    endpoints.named("default")
    return Response("\n", media_type="text/plain")


@router.get(
    "/version",
    response_class=Response,
    responses=schemas.describe_answer("text/plain", "Pixmill's version.") | schemas.problems(421),
)
async def version() -> Response:
    """Return the server's version."""
    return Response(__version__, media_type="text/plain")


@router.get("/v1/models", response_model=scoring_schemas.ModelNames, responses=schemas.problems(401, 421, 503))
async def models(endpoints: InjectedEndpoints) -> Response:
    """List the names of the model, as KServe does."""
    return JSONResponse({"models": list(endpoints.models.names)})


@router.post(
    "/v1/models/{name:path}:predict",
    response_model=schemas.Scores,
    responses=_REFUSALS | schemas.problems(404),
    openapi_extra=scoring_schemas.instances_body(),
)
async def predict_named(name: str, request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images as KServe and TensorFlow Serving do."""
    endpoints.named(name)
    return await _scores(await read_instances(request), endpoints, name)


@router.get("/v1/models/{name:path}", response_model=scoring_schemas.ModelStatus, responses=_NAMED)
async def model_status(name: str, endpoints: InjectedEndpoints) -> Response:
    """Tell whether the model is ready, as KServe and TensorFlow Serving do."""
    name, loaded = endpoints.named(name)
    state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return JSONResponse(
        {"name": name, "ready": True, "model_version_status": [{"version": loaded.served_version, **state}]}
    )


async def predict_instances(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images as Vertex AI asks for them, at the path that it chooses."""
    return await _scores(await read_instances(request), endpoints)


@router.post(
    "/v1/image-classification",
    response_model=list[scoring_schemas.LabelScore],
    responses=_REFUSALS,
    openapi_extra=scoring_schemas.label_body(),
)
async def image_classification(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Return the classes of an image, the most probable first, as Hugging Face's servers do."""
    content, top = await read_label_request(request)
    loaded, (answer,) = await endpoints.predict([content])
    if answer.prediction.probabilities is None:
        raise ProblemError(422, f"{meaning(answer.prediction.reason or '')}.")
    scores = zip(loaded.model.labels, answer.prediction.probabilities.tolist(), strict=True)
    ranked = sorted(scores, key=lambda pair: -pair[1])[:top]
    return JSONResponse([{"label": label, "score": score} for label, score in ranked])


async def _scores(contents: list[bytes], endpoints: InjectedEndpoints, name: str = "default") -> Response:
    loaded, answers = await endpoints.predict(contents, name)
    return JSONResponse({"predictions": [answer.prediction.as_row(loaded.model.labels) for answer in answers]})
