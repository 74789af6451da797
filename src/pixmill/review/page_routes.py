"""Routes of the review page."""

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pixmill.local.private_server import answer_json, expect_json, page_routes
from pixmill.local.problems import ProblemError
from pixmill.pages import page_head
from pixmill.review.review_session import Choice, Session

if TYPE_CHECKING:
    from pixmill.review.serving import ReviewSite


class _Request(BaseModel):
    """Request for a decision: number of the case, choices and reason."""

    case: Annotated[int, Field(ge=0)]
    choices: Annotated[list[Choice], Field(min_length=1)]
    why: Annotated[str, Field(max_length=500)]


def routes(site: "ReviewSite") -> list[BaseRoute]:
    """Return the routes, relative to the address of the page."""

    def session(request: Request) -> Response:
        return answer_json(lambda: site.load().session.overview(request.query_params.get("image")))

    def case(request: Request) -> Response:
        number = request.path_params["number"]

        def act() -> dict[str, Any]:
            project = site.current()
            _check(project.session, number)
            project.previews.expect(project.session.next_images(number))
            return project.session.case(number)

        return answer_json(act)

    def image(request: Request) -> Response:
        name = request.path_params["name"]
        project = site.current()
        is_known = re.fullmatch("[0-9a-f]{64}", name) and project.session.knows(name)
        preview = project.previews.get(name) if is_known else "unknown"
        if isinstance(preview, str):
            raise ProblemError(404, preview)
        return Response(
            preview, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"}
        )

    async def decide(request: Request) -> Response:
        expect_json(request)
        try:
            decision = _Request.model_validate_json(await request.body(), strict=True)
        except ValidationError:
            raise ProblemError(400, "The decision is malformed.") from None

        def act() -> dict[str, Any]:
            session = site.current().session
            _check(session, decision.case)
            return session.decide(decision.case, decision.choices, decision.why)

        return await run_in_threadpool(answer_json, act)

    def undo(request: Request) -> Response:
        expect_json(request)
        return answer_json(lambda: site.current().session.undo())

    return [
        *page_routes("pixmill.review", head=page_head(site.name, "review")),
        Route("/session", session),
        Route("/case/{number:int}", case),
        Route("/image/{name}", image),
        Route("/decide", decide, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
    ]


def _check(session: Session, number: int) -> None:
    if number >= len(session.cases):
        raise ProblemError(404, "Not Found.")
