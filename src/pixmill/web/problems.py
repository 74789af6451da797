"""Errors of a request, and how a server answers them: problem details (RFC 9457) with a member ``error``."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
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


def problem_bytes(status: int, detail: str) -> bytes:
    """Return the body of a problem; clients of other servers read its member ``error``."""
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail}
    return json.dumps(problem).encode()


def answer(problem: ProblemError) -> Response:
    """Return a problem as a response."""
    content = problem_bytes(problem.status, problem.detail)
    return Response(content, problem.status, problem.headers, MEDIA_TYPE)


async def on_gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer nobody: the client has left while it was sending."""
    return Response(status_code=499)
