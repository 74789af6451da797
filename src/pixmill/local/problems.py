"""HTTP errors as problem details (RFC 9457) with an additional member ``error``."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Raised to answer a request with an error.

    Args:
        status: HTTP status.
        detail: One sentence that explains the error.
        headers: Additional response headers.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def answer(problem: ProblemError) -> Response:
    """Return a problem as a response; ``error`` repeats its detail for clients of other servers."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "error": problem.detail,
    }
    return Response(json.dumps(content), problem.status, problem.headers, MEDIA_TYPE)
