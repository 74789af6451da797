"""Errors of a request, and how a server answers them: problem details (RFC 9457) with a member ``error``."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """What is wrong with a request, or why it is not answered.

    Args:
        status: The HTTP status.
        detail: What is wrong, in a sentence.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def answer(problem: ProblemError) -> Response:
    """Return a problem as a response; clients of other servers read its member ``error``."""
    title = HTTPStatus(problem.status).phrase
    content = {"type": "about:blank", "title": title, "status": problem.status, "detail": problem.detail}
    text = json.dumps(content | {"error": problem.detail})
    return Response(text, problem.status, problem.headers, MEDIA_TYPE)
