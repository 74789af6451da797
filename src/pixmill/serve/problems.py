"""Errors as RFC 9457 problem details, with ``error``, the member that clients of other servers read."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
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
    """Return the body of a problem."""
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail}
    return json.dumps(problem).encode()


def answer(problem: ProblemError) -> Response:
    """Return a problem as a response."""
    content = problem_bytes(problem.status, problem.detail)
    return Response(content, problem.status, problem.headers, MEDIA_TYPE)


async def on_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer with a problem that a route raised."""
    assert isinstance(error, ProblemError)
    return answer(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer with what Starlette raises: no such path, or a method that it does not have."""
    assert isinstance(error, HTTPException)
    detail = {
        404: f"There is nothing at {request.url.path}; /docs says what there is.",
        405: f"{request.url.path} does not answer to {request.method}.",
    }.get(error.status_code, str(error.detail))
    return answer(ProblemError(error.status_code, detail, error.headers))


async def on_unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer a defect of ours; what it was stands in the log alone."""
    return answer(ProblemError(500, "The server failed to answer this request; its log says why."))
