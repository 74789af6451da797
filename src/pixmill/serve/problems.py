"""The service's answers to errors, as problem details."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pixmill.web.problems import ProblemError, answer


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
