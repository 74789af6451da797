"""Routes of the grid."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.local.private_server import answer_json, expect_json, page_routes
from pixmill.local.problems import ProblemError
from pixmill.pages import page_head
from pixmill.review.grid.grid import View
from pixmill.review.grid.suggesting import DROPPED

if TYPE_CHECKING:
    from pixmill.review.serving import ReviewSite

_POLL_SECONDS = 0.25
"""Interval of checks whether the browser still wants a thumbnail."""


class _Action(BaseModel):
    """A label for images, or ``None`` to drop them, as decided on a version of a grid."""

    number: int
    version: int
    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    label: Annotated[str, Field(min_length=1, max_length=200)] | None
    window: Annotated[str, Field(max_length=40)]
    refused: list[Annotated[int, Field(ge=0)]]


def routes(site: "ReviewSite") -> list[BaseRoute]:
    """Return the routes, relative to the address of the grid."""

    def state(request: Request) -> Response:
        asked = request.query_params
        like = asked.get("like", "")
        view = View(
            asked.get("scope", ""),
            asked.get("sort", ""),
            asked.get("label", ""),
            int(like) if like.isdecimal() else -1,
        )
        known = asked.get("known", "")
        return answer_json(
            lambda: site.grid(renew=not known).state(view, asked.get("window", ""), known)
        )

    async def thumbnail(request: Request) -> Response:
        row = request.path_params["row"]
        grid = site.grid()
        while True:
            if not row < len(grid.pile):
                raise ProblemError(404, "Not Found.")
            future = await run_in_threadpool(grid.previews.request, row)
            await asyncio.wait([asyncio.wrap_future(future)], timeout=_POLL_SECONDS)
            if future.done() and not future.cancelled():  # by another request for the same one
                break
            if await request.is_disconnected():
                future.cancel()  # It was scrolled out of view.
                raise ClientDisconnect
        if isinstance(made := future.result(), str):
            raise ProblemError(404, made)
        return Response(
            made,
            media_type="image/jpeg",
            headers={"Cache-Control": "private, max-age=86400, immutable"},
        )

    def open_image(request: Request) -> Response:
        row = request.path_params["row"]
        pile = site.grid().pile
        if not row < len(pile):
            raise ProblemError(404, "Not Found.")
        return RedirectResponse(f"../../../image/{pile.image(row).id}", 303)

    async def act(request: Request) -> Response:
        expect_json(request)
        try:
            asked = _Action.model_validate_json(await request.body(), strict=True)
        except ValidationError:
            raise ProblemError(400, "The action is malformed.") from None

        def perform() -> dict[str, Any]:
            if asked.number != (grid := site.grid()).number:
                raise ProblemError(409, "The project has changed. Load the page again.")
            label = DROPPED if asked.label is None else asked.label
            return grid.act(
                asked.rows, label, window=asked.window, version=asked.version, refused=asked.refused
            )

        return await run_in_threadpool(answer_json, perform)

    def undo(request: Request) -> Response:
        expect_json(request)
        return answer_json(lambda: site.grid().undo(request.query_params.get("window", "")))

    def grow(request: Request) -> Response:
        expect_json(request)
        return answer_json(site.grid().grow)

    return [
        *page_routes("pixmill.review.grid", head=page_head(site.name, "label", home="../../")),
        Route("/state", state),
        Route("/thumb/{row:int}", thumbnail),
        Route("/open/{row:int}", open_image),
        Route("/act", act, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        Route("/sample", grow, methods=["POST"]),
    ]
