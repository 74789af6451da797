"""Requests that are cancelled during their body are answered."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from pixmill.local import bounded_request
from pixmill.local.bounded_request import run_bounded
from pixmill.local.problems import answer


def test_a_body_that_stops_is_answered(monkeypatch):
    monkeypatch.setattr(bounded_request, "_BODY_TIMEOUT_SECONDS", 0.05)
    status, (start, _) = answered(cancel=False)
    assert status == start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


def test_unfinished_upload_is_answered_on_shutdown():
    status, (start, body) = answered(cancel=True)
    assert status == start["status"] == 503
    assert (b"x-a", b"b") in start["headers"]
    assert b"The server is stopping." in body["body"]


def answered(*, cancel: bool):
    """Return status and messages of a request whose body stops after its first part."""

    async def app(scope, receive, send):
        await PlainTextResponse(await Request(scope, receive).body())(scope, receive, send)

    async def act():
        sent = []
        parts = [{"type": "http.request", "body": b"x", "more_body": True}]

        async def receive():
            return parts.pop() if parts else await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": b"/",
            "headers": [(b"content-length", b"9")],
        }
        given = {"max_bytes": 10, "headers": {"x-a": "b"}, "answer": answer}
        task = asyncio.create_task(run_bounded(scope, receive, send, admit=lambda _: app, **given))
        await asyncio.sleep(0)
        if cancel:
            task.cancel()
        return await task, sent

    return asyncio.run(act())
