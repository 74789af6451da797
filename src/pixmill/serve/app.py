"""The application: the page, the API, and what operators look at."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pixmill import __version__
from pixmill.serve import api, open_inference, schemas, scoring, scoring_schemas
from pixmill.serve.admission import Admission, needs_key
from pixmill.serve.metrics import CONTENT_TYPE, Metrics
from pixmill.serve.models import Models
from pixmill.serve.problems import on_http_exception, on_problem, on_unexpected
from pixmill.serve.settings import Settings
from pixmill.serve.web import Web
from pixmill.web.fetch import Network
from pixmill.web.problems import ProblemError, on_gone

_FILES = Path(str(resources.files("pixmill.serve")))
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"


def create_app(settings: Settings, models: Models, network: Network | None = None) -> Admission:
    """Return the ASGI application.

    Args:
        settings: What a person may set.
        models: The models, open; they are closed when the application ends.
        network: What the URL route may reach beside the public internet; nothing by default.
    """
    metrics = Metrics(lambda: models.current.waiting if models.current else 0)
    web = Web(settings.url_rate, settings.max_bytes, network) if settings.urls else None

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        ending = asyncio.Event()
        watch = asyncio.create_task(models.watch(ending))
        try:
            yield
        finally:
            ending.set()
            await watch
            await asyncio.to_thread(models.close)

    app = FastAPI(
        title="Pixmill",
        version=__version__,
        description="Predicts the class of images. Errors are problem details (RFC 9457).",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.endpoints = api.Endpoints(settings, models, metrics, web)
    # Those that the platform names come first: it asks there, whatever else these paths are.
    if settings.predict_route:
        app.add_api_route(settings.predict_route, scoring.predict_instances, methods=["POST"], include_in_schema=False)
    if settings.health_route:
        app.add_api_route(settings.health_route, readyz, include_in_schema=False)
    app.include_router(api.router)
    if settings.urls:
        app.include_router(api.url_router)
    if settings.inbox is not None:
        app.include_router(api.feedback_router)
    app.include_router(scoring.router)
    app.include_router(open_inference.router)
    _add_operations(app, models, metrics)
    _add_pages(app)
    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(ClientDisconnect, on_gone)
    app.add_exception_handler(Exception, on_unexpected)
    described = functools.lru_cache(1)(functools.partial(_describe, app, settings))
    app.openapi = lambda: described(models.current.model.labels if models.current else (), models.names)  # type: ignore[method-assign]
    return Admission(app, settings, metrics)


async def readyz(endpoints: api.InjectedEndpoints) -> Response:
    """Tell whether images can be predicted, by which model, and why a newer one was refused."""
    models = endpoints.models
    model = models.current.model if models.current else None
    state = {
        "ready": model is not None,
        "model": {"name": model.name, "version": model.version, "digest": model.digest} if model else None,
        "refused": models.refused,
    }
    return JSONResponse(state, 200 if model else 503)


def _add_operations(app: FastAPI, models: Models, metrics: Metrics) -> None:
    """Add what says whether the service is alive, ready, and how it does."""

    @app.get("/v2/health/live", response_model=schemas.Health, responses=schemas.problems(421))
    @app.get("/healthz", response_model=schemas.Health, responses=schemas.problems(421))
    async def alive() -> Response:
        """Answer as long as the server is alive."""
        return JSONResponse({"status": "alive"})

    app.get(
        "/readyz",
        response_model=schemas.Ready,
        responses=schemas.problems(421) | {503: {"model": schemas.Ready, "description": "Not ready."}},
    )(readyz)

    @app.get(
        "/metrics",
        response_class=Response,
        responses=schemas.describe_answer("text/plain", "In Prometheus' format.") | schemas.problems(421),
    )
    async def metrics_() -> Response:
        """Return counts for Prometheus."""
        return Response(metrics.text(models.current.model if models.current else None), media_type=CONTENT_TYPE)


def _add_pages(app: FastAPI) -> None:
    """Add the page for people, and the documentation of the API; neither loads anything from outside."""
    app.mount("/static", StaticFiles(directory=_FILES / "static"), name="static")
    app.mount("/swagger", StaticFiles(directory=_SWAGGER), name="swagger")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(_FILES / "page.html", headers={"Cache-Control": "no-cache"})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(_FILES / "docs.html")


def _describe(app: FastAPI, settings: Settings, labels: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the OpenAPI document, with the classes and names of a model."""
    from fastapi.openapi.utils import get_openapi

    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    parts = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        parts.pop(name, None)
    parts["ProblemDetails"] = schemas.ProblemDetails.model_json_schema()
    parts.update(scoring_schemas.infer_parts())
    paths = document["paths"]
    paths["/v1/predict"]["post"].update(schemas.images_body(urls=settings.urls))
    paths["/v1/explain"]["post"]["parameters"] = [schemas.label_parameter(labels)]
    if "/v1/feedback" in paths:
        paths["/v1/feedback"]["post"].update(schemas.correction_body(labels))
    if settings.keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in paths.items():
            for method, operation in methods.items():
                if needs_key(method.upper(), path, settings):
                    operation["security"] = [{"key": []}]
    else:
        for methods in paths.values():
            for operation in methods.values():
                operation["responses"].pop("401", None)
    for path, methods in paths.items():
        if "{name}" in path:
            for operation in methods.values():
                operation["parameters"][0]["schema"] = {"type": "string", "enum": list(names)}
        # FastAPI adds its own form of 422; a path cannot be invalid, only unknown.
        if "{" in path and "get" in methods:
            methods["get"]["responses"].pop("422")
    return document
