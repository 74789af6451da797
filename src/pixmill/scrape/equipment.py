"""What a scrape goes out with: the limits, the manners and the reach that its params give it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pixmill.errors import ParamsError
from pixmill.fetch import Fetcher, Limits, Manners, Network
from pixmill.params import ScrapeParams
from pixmill.scrape.access import NetworkAccess

__all__ = ["equip"]


@contextlib.asynccontextmanager
async def equip(
    params: ScrapeParams, *, served: Mapping[str, int], network: Network | None, scratch: Path
) -> AsyncIterator[tuple[Fetcher, NetworkAccess]]:
    """Open the fetcher, and the ways out that searches are given.

    Args:
        params: Limits and manners.
        served: The origins that the sources serve themselves, as ``name:port``, each with its port on this machine.
        network: What else may be reached beside the public internet.
        scratch: The stage's scratch place.

    Raises:
        ParamsError: The params name a host that cannot be one.
    """
    given = network or Network()
    reach = dataclasses.replace(
        given, served={**given.served, **served}, allowed=given.allowed | frozenset(params.allow_hosts)
    )
    limits = Limits(
        max_bytes=params.max_bytes,
        timeout=params.timeout,
        connections=params.connections,
        per_host=params.per_host,
    )
    manners = Manners(
        contact=params.contact,
        rate=params.rate,
        opt_out=frozenset(params.opt_out),
        robots_exceptions=frozenset(params.robots_exceptions),
        own=frozenset(origin.rpartition(":")[0] for origin in served),
    )
    try:
        opening = Fetcher(limits, manners, reach)
    except ValueError as error:
        raise ParamsError(
            f"scrape: expected hosts in opt_out, robots_exceptions and allow_hosts, received one that is none: {error}",
            next="edit params.yaml, then: pixmill check",
        ) from None
    async with opening as fetcher:
        access = NetworkAccess(fetcher, reach, scratch)
        try:
            yield fetcher, access
        finally:
            access.close()
