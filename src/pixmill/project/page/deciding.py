"""Decisions on the page of an image, written as those of the review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from starlette.routing import BaseRoute

from pixmill.project.page.actions import post_route
from pixmill.review.case_view import find_row
from pixmill.review.choices import Choice, Verb
from pixmill.review.serving import ReviewSite

if TYPE_CHECKING:
    from pixmill.project.page.home import Home


def routes(home: Home, site: ReviewSite) -> list[BaseRoute]:
    """Return the route that decides on an image; the review's own undoes it."""

    def decide(name: str, verb: Verb, label: str, why: str, window: str) -> dict[str, Any]:
        session = site.load()
        choice = Choice([find_row(session, name)], verb, label)
        return session.decide([choice], window=window, version=session.version, why=why)

    return [
        post_route(
            home,
            "/image/{name}/decide",
            decide,
            verb=Literal["label", "keep", "drop", "yes", "no", "unset"],
            label=(Annotated[str, Field(max_length=200)], ""),
            why=(Annotated[str, Field(max_length=500)], ""),
            window=Annotated[str, Field(max_length=40)],
        )
    ]
