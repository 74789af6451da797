"""Routes of the map of the images."""

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pixmill.local.private_server import answer_json, page_routes
from pixmill.pages import page_head
from pixmill.review.map.making import Maps

if TYPE_CHECKING:
    from pixmill.review.serving import ReviewSite


def routes(site: "ReviewSite", folder: Path) -> list[BaseRoute]:
    """Return the routes, relative to the address of the page.

    Args:
        site: The review of the project.
        folder: Where maps are kept, such as ``.pixmill/map``.
    """
    maps = Maps(folder)

    def state(_: Request) -> Response:
        return answer_json(lambda: maps.state(site.load()))

    def points(_: Request) -> Response:
        from pixmill.review.map.points import list_points  # imports pandas

        return answer_json(lambda: list_points(maps.ready()))

    head = page_head(site.name, "map", home="../../")
    return [
        *page_routes("pixmill.review.map", head=head),
        Route("/state", state),
        Route("/points", points),
    ]
