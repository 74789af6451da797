"""Access to APIs in tests: the real fetcher, with its event loop in a thread."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from pixmill.fetch import Fetched, FetchLimits, Network, Refused
from pixmill.fetch.fetcher import Fetcher

__all__ = ["ApiAccess"]


class ApiAccess:
    """Access to the APIs of a network, without a browser; a context manager.

    Args:
        network: The network.
        timeout: Timeout of a request in seconds.
    """

    def __init__(self, network: Network, timeout: float = 60.0) -> None:
        self._fetcher = Fetcher(FetchLimits(timeout=timeout, attempts=1), network=network)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._fetcher.__aenter__(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, url: str) -> Fetched | Refused:
        """Return the response of an API."""
        return asyncio.run_coroutine_threadsafe(self._fetcher.ask(url), self._loop).result()

    async def _close(self) -> None:
        await self._fetcher.__aexit__(None, None, None)
        await asyncio.sleep(0.05)  # TLS connections close after their session
