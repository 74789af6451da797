"""Fetch the URLs among the inputs ahead of their turn, in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from pixmill.learn.classifier import Prediction
from pixmill.predict.inputs import Input, Url

if TYPE_CHECKING:
    from pixmill.learn.inference import Row
    from pixmill.web.fetch import Fetcher, Network

_AHEAD = 16
"""Inputs that are looked at ahead of their turn, and so URLs that are fetched at the same time."""


def fetch_inputs(inputs: Iterable[Input], network: Network | None = None) -> Generator[tuple[Input, Row], None, None]:
    """Yield each input, in order, with its file or its bytes, or with the reason why there are none.

    Args:
        inputs: The inputs, consumed lazily.
        network: What may be reached beside the public internet; nothing by default.
    """
    ahead: deque[tuple[Input, Row | Future[Row]]] = deque()
    fetching: _Fetching | None = None
    try:
        for each in inputs:
            if isinstance(each.source, Url):
                fetching = fetching or _Fetching(network)
                ahead.append((each, fetching.submit(each.source)))
            else:
                ahead.append((each, each.source))
            if len(ahead) > _AHEAD:
                yield _finish(*ahead.popleft())
        while ahead:
            yield _finish(*ahead.popleft())
    finally:
        if fetching is not None:
            fetching.close()


def _finish(each: Input, row: Row | Future[Row]) -> tuple[Input, Row]:
    return each, row.result() if isinstance(row, Future) else row


class _Fetching:
    """A fetcher in a thread of its own."""

    def __init__(self, network: Network | None) -> None:
        self._network = network
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fetch", daemon=True)
        self._thread.start()
        self._fetcher = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def submit(self, url: Url) -> Future[Row]:
        return asyncio.run_coroutine_threadsafe(self._fetch(url), self._loop)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> Fetcher:
        from pixmill.web.fetch import Fetcher

        return await Fetcher(network=self._network).__aenter__()

    async def _fetch(self, url: Url) -> Row:
        from pixmill.web.fetch import Fetched

        outcome = await self._fetcher.fetch(str(url))
        if isinstance(outcome, Fetched):
            return outcome.content
        return Prediction(reason=getattr(outcome, "reason", "unreadable"))

    async def _close(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._fetcher.__aexit__(None, None, None)
