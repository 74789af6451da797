"""Routes of the grid."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.images.compute import ServiceFullError
from pixmill.review.grid.grid import View
from pixmill.review.grid.suggesting import DROPPED
from pixmill.web.private_server import answer_json, expect_json, page_routes
from pixmill.web.problems import ProblemError

if TYPE_CHECKING:
    from pixmill.review.serving import ReviewSite

_Window = Annotated[str, Field(pattern="^[0-9a-z]{1,40}$")]

_POLL_SECONDS = 0.25
"""Interval of checks whether the browser still wants a thumbnail."""


class _Action(BaseModel):
    """A label for images, or that they are dropped, as decided on a version of a grid."""

    number: int
    version: int
    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    action: Literal["label", "drop"]
    label: Annotated[str, Field(max_length=200)] = DROPPED
    window: _Window
    refused: list[Annotated[int, Field(ge=0)]] = []


class _Undo(BaseModel):
    """Undo the last action of a window."""

    window: _Window


def routes(site: "ReviewSite") -> list[BaseRoute]:
    """Return the routes, relative to the address of the grid."""

    def state(request: Request) -> Response:
        asked = request.query_params
        try:
            view = View(
                asked.get("scope", ""), asked.get("sort", ""), asked.get("label", ""), int(asked.get("like", -1))
            )
        except ValueError:
            raise ProblemError(400, "Expected the number of an image.") from None
        known = asked.get("known", "")
        return answer_json(lambda: site.grid(renew=not known).state(view, asked.get("window", ""), known))

    async def thumbnail(request: Request) -> Response:
        row, grid = request.path_params["row"], site.grid()
        if not row < len(grid.pile):
            raise ProblemError(404, "Not Found.")
        try:
            future = await run_in_threadpool(grid.previews.request, row)
        except ServiceFullError:
            raise ProblemError(503, "The server is stopping.") from None
        while not future.done():
            await asyncio.wait([asyncio.wrap_future(future)], timeout=_POLL_SECONDS)
            if not future.done() and await request.is_disconnected():
                future.cancel()  # It was scrolled out of view.
                raise ClientDisconnect
        if isinstance(made := future.result(), str):
            raise ProblemError(404, made)
        return Response(made, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})

    def open_image(request: Request) -> Response:
        row, grid = request.path_params["row"], site.grid()
        if not row < len(grid.pile):
            raise ProblemError(404, "Not Found.")
        return RedirectResponse(f"../../../image/{grid.id(row)}", 303)

    async def act(request: Request) -> Response:
        asked = await _read(request, _Action)

        def perform() -> dict[str, Any]:
            if asked.number != (grid := site.grid()).number:
                raise ProblemError(409, "The project has changed. Load the page again.")
            label = asked.label if asked.action == "label" else DROPPED
            return grid.act(asked.rows, label, window=asked.window, version=asked.version, refused=asked.refused)

        return await run_in_threadpool(answer_json, perform)

    async def undo(request: Request) -> Response:
        asked = await _read(request, _Undo)
        return await run_in_threadpool(answer_json, lambda: site.grid().undo(asked.window))

    return [
        *page_routes("pixmill.review.grid"),
        Route("/state", state),
        Route("/thumb/{row:int}", thumbnail),
        Route("/open/{row:int}", open_image),
        Route("/act", act, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
    ]


async def _read[Model: BaseModel](request: Request, model: type[Model]) -> Model:
    expect_json(request)
    try:
        return model.model_validate_json(await request.body(), strict=True)
    except ValidationError:
        raise ProblemError(400, "The action is malformed.") from None
