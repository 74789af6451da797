"""The application: the page, the API, and what operators look at."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pixmill import __version__
from pixmill.serve.http import api, schemas
from pixmill.serve.http.admission import Admission
from pixmill.serve.http.metrics import CONTENT_TYPE, Metrics
from pixmill.serve.http.models import Models
from pixmill.serve.http.settings import Settings
from pixmill.web.fetch import Network
from pixmill.web.problems import ProblemError, answer

_FILES = Path(str(resources.files("pixmill.serve.http")))
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"

_open = APIRouter()
"""Routes that need no key: the page, and what operators look at."""


def create_app(settings: Settings, models: Models, network: Network | None = None) -> Admission:
    """Return the ASGI application.

    Args:
        settings: What a person may set.
        models: The models, open; they are closed when the application ends.
        network: What the URL route may reach beside the public internet; nothing by default.

    Raises:
        PixmillError: The inbox is a file.
    """
    metrics = Metrics(lambda: models.current.waiting if models.current else 0)

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

    kinds: tuple[Any, ...] = (ProblemError, HTTPException, ClientDisconnect, Exception)
    app = FastAPI(
        title="Pixmill",
        version=__version__,
        description="Predicts the class of images. Errors are problem details (RFC 9457).",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys(kinds, _on_error),
    )
    app.state.endpoints, app.state.metrics = api.Endpoints(settings, models, metrics, network), metrics
    for router in (api.router, api.mlflow_router, _open):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=_FILES / "static"), name="static")
    app.mount("/swagger", StaticFiles(directory=_SWAGGER), name="swagger")
    return Admission(app, settings, metrics)


@_open.get("/healthz")
async def alive() -> Response:
    """Answer as long as the server is alive."""
    return JSONResponse({"status": "alive"})


@_open.get("/readyz", response_model=schemas.Ready)
async def readyz(endpoints: api.InjectedEndpoints) -> Response:
    """Tell whether images can be predicted, by which model, and why a newer one was refused; 503 if they cannot."""
    models = endpoints.models
    model = models.current.model.identity if models.current else None
    state = {"ready": model is not None, "model": model, "refused": models.refused}
    return JSONResponse(state, 200 if model else 503)


@_open.get("/metrics", response_class=Response)
async def metrics(request: Request, endpoints: api.InjectedEndpoints) -> Response:
    """Return counts in Prometheus' format."""
    current = endpoints.models.current
    return Response(request.app.state.metrics.text(current.model if current else None), media_type=CONTENT_TYPE)


@_open.get("/", include_in_schema=False)
async def page() -> Response:
    """Return the page for people."""
    return FileResponse(_FILES / "page.html", headers={"Cache-Control": "no-cache"})


@_open.get("/docs", include_in_schema=False)
async def docs() -> Response:
    """Return the documentation of the API, which loads nothing from outside."""
    return FileResponse(_FILES / "docs.html")


async def _on_error(request: Request, error: Exception) -> Response:
    """Answer with a problem to whatever a route or Starlette raises."""
    match error:
        case ProblemError():
            return answer(error)
        case HTTPException(status_code=404):
            return answer(ProblemError(404, f"There is nothing at {request.url.path}; /docs says what there is."))
        case HTTPException():
            return answer(ProblemError(error.status_code, f"{error.detail}.", error.headers))
        case ClientDisconnect():
            return Response(status_code=499)
    return answer(ProblemError(500, "The server failed to answer this request; its log says why."))
