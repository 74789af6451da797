"""Decisions on the page of an image, written as those of the review."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pixmill.local.private_server import answer_json, expect_json
from pixmill.local.problems import ProblemError
from pixmill.review.case_view import find_row
from pixmill.review.review_session import Choice
from pixmill.review.serving import ReviewSite


class _Decision(BaseModel):
    """A decision on one image; ``window`` identifies the browser's tab, for its undo."""

    verb: Literal["label", "keep", "drop"]
    label: Annotated[str, Field(max_length=200)] = ""
    why: Annotated[str, Field(max_length=500)] = ""
    window: Annotated[str, Field(max_length=40)]


def routes(site: ReviewSite) -> list[BaseRoute]:
    """Return the route that decides on an image; the review's own undoes it."""

    async def decide(request: Request) -> Response:
        expect_json(request)
        try:
            asked = _Decision.model_validate_json(await request.body(), strict=True)
        except ValidationError:
            raise ProblemError(400, "The decision is malformed.") from None

        def act() -> dict[str, Any]:
            session = site.load()
            row = find_row(session, request.path_params["name"])
            return session.decide(
                [Choice([row], asked.verb, asked.label)],
                window=asked.window,
                version=session.version,
                why=asked.why,
            )

        return await run_in_threadpool(answer_json, act)

    return [Route("/image/{name}/decide", decide, methods=["POST"])]
