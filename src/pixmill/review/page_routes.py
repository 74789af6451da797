"""Routes of the review page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.local.private_server import answer_json, expect_json, page_routes
from pixmill.local.problems import ProblemError
from pixmill.pages import page_head
from pixmill.review.case_view import case_content, find_row, next_images, overview
from pixmill.review.choices import Choice, Verb
from pixmill.review.grid.views import View
from pixmill.review.grid_view import Selection, grid_state
from pixmill.review.review_session import Session

if TYPE_CHECKING:
    from pixmill.review.serving import ReviewSite

_SIDES = {"thumb": 160, "image": 1024}
"""Longer sides of previews in pixels, by route."""

_POLL_SECONDS = 0.25
"""Interval of checks whether the browser still wants an image."""

_Body = TypeVar("_Body", bound=BaseModel)

_Row = Annotated[int, Field(ge=0)]


class _Choice(BaseModel):
    """A choice for some images."""

    rows: Annotated[list[_Row], Field(min_length=1)]
    verb: Verb
    label: Annotated[str, Field(max_length=200)] = ""


class _Decision(BaseModel):
    """Decisions as made on a version of a session; ``number`` identifies it."""

    number: int
    version: int
    window: Annotated[str, Field(max_length=40)]
    choices: Annotated[list[_Choice], Field(min_length=1)]
    why: Annotated[str, Field(max_length=500)] = ""
    refused: list[_Row] = []
    case: _Row | None = None


def routes(site: "ReviewSite") -> list[BaseRoute]:
    """Return the routes, relative to the address of the page."""

    def cases(request: Request) -> Response:
        def act() -> dict[str, Any]:
            session = site.load()
            image = request.query_params.get("image")
            return overview(session, None if image is None else find_row(session, image))

        return answer_json(act)

    def case(request: Request) -> Response:
        number = request.path_params["number"]

        def act() -> dict[str, Any]:
            session = site.current()
            if number >= len(session.cases):
                raise ProblemError(404, "Not Found.")
            side = _SIDES["image"]
            session.previews.expect((row, side) for row in next_images(session, number))
            window = request.query_params.get("window", "")
            return {**case_content(session, number), **session.after(window)}

        return answer_json(act)

    def state(request: Request) -> Response:
        asked = request.query_params
        known = asked.get("known", "")
        read = site.current if known else site.load
        window = asked.get("window", "")
        selection = site.selections.get(window)
        return answer_json(lambda: grid_state(read(), _view(asked), window, known, selection))

    def preview(side: int) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = site.current()
            made = await _preview(request, session, (_row_of(request, session), side))
            headers = {"Cache-Control": "private, max-age=86400, immutable"}
            return Response(made, media_type="image/jpeg", headers=headers)

        return answer

    def open_image(request: Request) -> Response:
        session = site.current()
        (name,) = session.images.identify([_row_of(request, session)])
        return RedirectResponse(f"../../image/{name}", 303)

    async def select(request: Request) -> Response:
        selection = await _read_body(request, Selection)
        site.selections[selection.window] = selection
        return answer_json(lambda: {"count": len(selection.ids)})

    async def decide(request: Request) -> Response:
        asked = await _read_body(request, _Decision)

        def act() -> dict[str, Any]:
            session = site.current()
            if asked.number != session.number:
                raise ProblemError(409, "The project has changed. Load the page again.")
            return session.decide(
                [Choice(each.rows, each.verb, each.label) for each in asked.choices],
                window=asked.window,
                version=asked.version,
                why=asked.why,
                refused=asked.refused,
                case=asked.case,
            )

        return await run_in_threadpool(answer_json, act)

    def undo(request: Request) -> Response:
        expect_json(request)
        window = request.query_params.get("window", "")
        return answer_json(lambda: site.current().undo(window))

    def grow(request: Request) -> Response:
        expect_json(request)
        return answer_json(site.current().grow)

    return [
        *page_routes("pixmill.review", head=page_head(site.name, "review")),
        # A link to `grid/#…` keeps its hash.
        Route("/grid/", lambda _: RedirectResponse("../?grid")),
        Route("/selection", select, methods=["POST"]),
        Route("/cases", cases),
        Route("/case/{number:int}", case),
        Route("/state", state),
        *(Route(f"/{name}/{{row:int}}", preview(side)) for name, side in _SIDES.items()),
        Route("/open/{row:int}", open_image),
        Route("/decide", decide, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        Route("/sample", grow, methods=["POST"]),
    ]


async def _read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the JSON body of a request."""
    expect_json(request)
    try:
        return kind.model_validate_json(await request.body(), strict=True)
    except ValidationError:
        raise ProblemError(400, "The request is malformed.") from None


def _view(asked: Mapping[str, str]) -> View:
    like = asked.get("like", "")
    return View(
        asked.get("scope", ""),
        asked.get("sort", ""),
        asked.get("label", ""),
        int(like) if like.isdecimal() else -1,
        asked.get("predicted", ""),
        asked.get("focus", ""),
    )


async def _preview(request: Request, session: Session, key: tuple[int, int]) -> bytes:
    """Wait for a preview as long as the browser wants it."""
    while True:
        future = await run_in_threadpool(session.previews.request, key)
        await asyncio.wait([asyncio.wrap_future(future)], timeout=_POLL_SECONDS)
        if future.done() and not future.cancelled():  # by another request for the same one
            break
        if await request.is_disconnected():
            future.cancel()  # It was scrolled out of view.
            raise ClientDisconnect
    made = future.result()
    if isinstance(made, str):
        raise ProblemError(404, made)
    return made


def _row_of(request: Request, session: Session) -> int:
    row: int = request.path_params["row"]
    if row >= len(session.images):
        raise ProblemError(404, "Not Found.")
    return row
