"""The FastAPI application: page, API, health checks and metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pixmill import __version__
from pixmill.images.compute import ServiceFullError
from pixmill.local.problems import ProblemError, answer
from pixmill.pages.page import make_environment
from pixmill.serve.http import api, schemas

_FILES = Path(str(resources.files("pixmill.serve.http")))
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"

_open = APIRouter()
"""Routes that need no key."""


def create_app(endpoints: api.Endpoints) -> FastAPI:
    """Return the application; when it ends, it closes the models.

    Args:
        endpoints: The service behind the routes.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        ending = asyncio.Event()
        watch = asyncio.create_task(endpoints.models.watch(ending))
        try:
            yield
        finally:
            ending.set()
            await watch
            await asyncio.to_thread(endpoints.models.close)

    kinds: tuple[Any, ...] = (
        ProblemError,
        HTTPException,
        ServiceFullError,
        ClientDisconnect,
        Exception,
    )
    app = FastAPI(
        title="Pixmill",
        version=__version__,
        description="Predicts the class of images. Errors are problem details (RFC 9457).",
        servers=[{"url": "."}],  # The folder of openapi.json, below any path of a proxy.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys(kinds, _on_error),
    )
    app.state.endpoints = endpoints
    for router in (api.router, api.root_router, _open):
        app.include_router(router)
    app.mount(
        "/static",
        StaticFiles(directory=_FILES / "static", packages=[("pixmill.pages", "static")]),
        name="static",
    )
    app.mount("/swagger", StaticFiles(directory=_SWAGGER), name="swagger")
    return app


@_open.get("/healthz")
async def alive() -> Response:
    """Answer as long as the server is alive."""
    return JSONResponse({"status": "alive"})


@_open.get("/readyz", response_model=schemas.Ready)
async def readyz(endpoints: api.InjectedEndpoints) -> Response:
    """Return the model that predicts, and the error of a newer model that was refused.

    503 without a model.
    """
    models = endpoints.models
    model = models.current.model.identity if models.current else None
    state = {"ready": model is not None, "model": model, "refused": models.refused}
    return JSONResponse(state, 200 if model else 503)


@_open.get("/metrics", response_class=Response)
async def metrics(endpoints: api.InjectedEndpoints) -> Response:
    """Return metrics in Prometheus' format."""
    return Response(endpoints.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@_open.get("/", include_in_schema=False)
async def page(endpoints: api.InjectedEndpoints) -> Response:
    """Return the page for people."""
    return HTMLResponse(_page(endpoints.is_shared), headers={"Cache-Control": "no-cache"})


@cache
def _page(is_shared: bool) -> str:
    environment = make_environment("pixmill.serve.http")
    return environment.get_template("page.html").render(one_file=None, is_shared=is_shared)


@_open.get("/docs", include_in_schema=False)
async def docs() -> Response:
    """Return the API reference, which loads nothing from other hosts."""
    return FileResponse(_FILES / "docs.html")


async def _on_error(request: Request, error: Exception) -> Response:
    """Return a problem for any exception that a route or Starlette raises."""
    match error:
        case ProblemError():
            return answer(error)
        case HTTPException(status_code=404):
            return answer(
                ProblemError(
                    404, f"There is nothing at {request.url.path}; /docs lists all routes."
                )
            )
        case HTTPException():
            return answer(ProblemError(error.status_code, f"{error.detail}.", error.headers))
        case ServiceFullError():
            return answer(ProblemError(503, "Too many images wait.", {"Retry-After": "1"}))
        case ClientDisconnect():
            return Response(status_code=499)
    return answer(ProblemError(500, "The server failed to answer this request; its log says why."))
