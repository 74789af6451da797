"""Downloads on the nodes of a Ray cluster, while this process keeps rates, redirects and journal."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import traceback
from collections.abc import Sequence, Set
from itertools import count
from pathlib import Path
from typing import Any, Self

from yarl import URL

from pixmill.compute.cluster import Cluster, choose_cluster
from pixmill.compute.connection import reason, refusal
from pixmill.core.errors import PixmillError
from pixmill.core.progress import announce
from pixmill.web.fetch import FetchLimits, Network
from pixmill.web.fetch.exchange import Answer, Exchange, Request

_LOSSES = 5
"""How often in a row, without an answer in between, downloads begin again."""

_END_SECONDS = 10.0
"""How long the end of the nodes' processes is waited for."""

Row = tuple[int, URL, Request, float]
Answered = tuple[int, tuple[Answer, float] | Exception]


class NodeDownloads:
    """Ask for URLs on the nodes of the chosen cluster; an asynchronous context manager.

    Each host belongs to one node, which keeps the connections to it. What comes is stored by the node, so that rows
    alone go between it and this process. Nothing is started before the first download.

    Args:
        folder: Where downloads are stored. Where a node cannot write to it, this process downloads.
        limits: What each request obeys.
        contact: Where the person responsible can be reached.
        network: What nodes may reach beside the public internet.
        here: Hosts that are left to this process.
    """

    def __init__(
        self, folder: Path, limits: FetchLimits, contact: str | None, network: Network, here: Set[str]
    ) -> None:
        self._folder = folder
        self._settings = (limits, network, contact)
        self._here = here
        self._starting: asyncio.Task[list[_Node]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._starting is not None:
            # An error has been raised by whoever waited for it.
            with contextlib.suppress(PixmillError):
                await asyncio.gather(*(node.close() for node in await self._starting))

    async def ask(self, url: URL, request: Request, seconds: float) -> tuple[Answer, float] | None:
        """Ask for a URL once, as :meth:`Exchange.ask` does; return ``None`` for what is left to this process.

        Raises:
            PixmillError: The cluster cannot be used, or loses one process after the other.
        """
        host = (url.raw_host or "").rstrip(".")
        if host in self._here:
            return None
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        nodes = await asyncio.shield(self._starting)
        return await _owner(nodes, host).ask(url, request, seconds) if nodes else None

    async def _start(self) -> list[_Node]:
        self._folder.mkdir(parents=True, exist_ok=True)
        if (cluster := await asyncio.to_thread(choose_cluster)) is None:
            return []
        if not await asyncio.to_thread(cluster.sees, self._folder, writable=True):
            announce(f"Scrape: this machine downloads: not all nodes of {cluster.address} can write to {self._folder}")
            return []
        return [_Node(cluster, place, self._settings) for place in range(len(_alive(cluster)))]


def _owner(nodes: Sequence[_Node], host: str) -> _Node:
    """Return the node that a host belongs to, the same in each run."""
    digest = hashlib.blake2b(host.encode(), digest_size=8).digest()
    return nodes[int.from_bytes(digest) % len(nodes)]


def _alive(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the nodes that have processors, in the order of their addresses."""
    nodes = [node for node in cluster.ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not nodes:
        raise PixmillError(
            f"the Ray cluster {cluster.address} has no processors",
            next="start a node that has some (ray start --address=HEAD:6379), then: dvc repro scrape (images found so "
            "far are kept)",
        )
    return sorted(nodes, key=lambda node: str(node["NodeManagerAddress"]))


class _Node:
    """Have requests answered by a process on a node; where that is lost, by another, if need be on another node."""

    def __init__(self, cluster: Cluster, place: int, settings: tuple[FetchLimits, Network, str | None]) -> None:
        self._cluster = cluster
        self._place = place
        self._settings = settings
        self._numbers = count()
        self._asked: dict[int, tuple[Row, asyncio.Future[tuple[Answer, float]]]] = {}
        self._unsent: list[Row] = []
        self._wake = asyncio.Event()
        self._losses = 0
        self._closing = False
        self._broken: Exception | None = None
        self._start_process()
        self._running = asyncio.create_task(self._run())

    async def ask(self, url: URL, request: Request, seconds: float) -> tuple[Answer, float]:
        if self._broken is not None:
            raise self._broken
        row = (next(self._numbers), url, request, seconds)
        answer: asyncio.Future[tuple[Answer, float]] = asyncio.get_running_loop().create_future()
        self._asked[row[0]] = row, answer
        self._unsent.append(row)
        self._wake.set()
        return await answer

    async def close(self) -> None:
        self._closing = True
        self._end_process()  # This ends the calls that wait there.
        await asyncio.wait([self._running], timeout=_END_SECONDS)

    def _start_process(self) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = _alive(self._cluster)
        node = nodes[self._place % len(nodes)]
        self._address = node["NodeManagerAddress"]
        # Ray places softly bound actors anywhere.
        bound = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        kind = self._cluster.ray.remote(num_cpus=0, scheduling_strategy=bound)(_Downloads)
        self._actor: Any = kind.remote(*self._settings)

    def _end_process(self) -> None:
        # Without a connection it ends by itself.
        with contextlib.suppress(Exception):
            self._cluster.ray.kill(self._actor)

    async def _run(self) -> None:
        try:
            while not self._closing:
                await self._use(self._actor)
                if not self._closing:
                    self._start_process()
                    self._unsent = [row for row, _ in self._asked.values()]
                    self._wake.set()
        except Exception as error:  # noqa: BLE001 (raised by those who wait for an answer)
            self._broken = refusal(self._cluster.address, error) or error
            for _, answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(self._broken)

    async def _use(self, actor: Any) -> None:
        """Work with a process on the node until that is lost."""
        from ray.exceptions import RayError, RayTaskError

        both = [asyncio.create_task(self._send(actor)), asyncio.create_task(self._receive(actor))]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        await asyncio.wait(both)
        # asyncio logs an error that nobody asks for.
        error, *_ = [task.exception() for task in both if not task.cancelled()]
        assert error is not None
        if not isinstance(error, (RayError, ConnectionError)) or isinstance(error, RayTaskError):
            raise error
        if self._closing:
            return
        if isinstance(error, ConnectionError) or not self._cluster.ray.util.client.ray.is_connected():
            raise PixmillError(
                f"the connection to the Ray cluster {self._cluster.address} is lost",
                next="start the cluster again, then: dvc repro scrape (images found so far are kept)",
            ) from error
        self._losses += 1
        if self._losses > _LOSSES:
            raise PixmillError(
                f"downloads lost their process or node {self._losses} times in a row: {reason(error)}",
                next="look at the nodes' memory, then: dvc repro scrape (images found so far are kept)",
            ) from error
        self._end_process()  # it may live where only the way to it is broken
        announce(f"ray: node {self._address}, or its process, was lost; its {len(self._asked):,} downloads begin again")
        await asyncio.sleep(self._losses)  # the cluster may not know yet that a node is lost

    async def _send(self, actor: Any) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            rows, self._unsent = self._unsent, []
            if rows:
                await _result(actor.begin.remote(rows))

    async def _receive(self, actor: Any) -> None:
        while True:
            for number, answer in await _result(actor.wait_for_answers.remote()):
                self._losses = 0
                _, waiting = self._asked.pop(number)
                if waiting.done():  # nobody waits any more
                    continue
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)


async def _result(reference: Any) -> Any:
    # Ray's thread cannot set the result of a future that was cancelled.
    return await asyncio.shield(asyncio.wrap_future(reference.future()))


class _Downloads:
    """Answer requests on a node; an actor."""

    def __init__(self, limits: FetchLimits, network: Network, contact: str | None) -> None:
        self._exchange = Exchange(limits, network, contact)
        self._is_open = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._finished: asyncio.Queue[Answered] = asyncio.Queue()

    async def begin(self, rows: list[Row]) -> None:
        """Begin to answer some requests."""
        if not self._is_open:
            self._is_open = True
            await self._exchange.__aenter__()  # its end is that of the process
        for row in rows:
            task = asyncio.create_task(self._answer(*row))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def wait_for_answers(self) -> list[Answered]:
        """Wait for answers; return all that there are."""
        answered = [await self._finished.get()]
        while not self._finished.empty():
            answered.append(self._finished.get_nowait())
        return answered

    async def _answer(self, number: int, url: URL, request: Request, seconds: float) -> None:
        answer: tuple[Answer, float] | Exception
        try:
            answer = await self._exchange.ask(url, request, seconds)
        except Exception as error:  # noqa: BLE001 (raised by the process that asked)
            error.add_note(traceback.format_exc())
            answer = error
        self._finished.put_nowait((number, answer))
