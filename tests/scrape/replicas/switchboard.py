"""Failure modes of sites, switched on and off while the replicas run."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.scrape.replicas.photos import chance

if TYPE_CHECKING:
    from tests.scrape.replicas.site import Site

__all__ = ["ANSWERS", "MODES", "SHOWN", "Setting", "Switchboard"]

ANSWERS = frozenset(
    {
        "block_200",
        "captcha",
        "consent_redirect",
        "down",
        "empty",
        "forbidden403",
        "js_shell",
        "rate_limited",
        "robots_disallow",
        "sorry429",
    }
)
"""Modes that replace the response of the site.

All take ``after`` (requests answered normally before) and ``times`` (failures before the site
recovers). ``captcha`` takes ``status`` (200); ``consent_redirect`` takes ``stuck`` (consent never
succeeds); ``rate_limited`` takes ``retry_after`` (30, in seconds).
"""

SHOWN = frozenset(
    {
        "consent_overlay",
        "endless",
        "last_years_layout",
        "loses_scroll",
        "renamed",
        "rerender",
    }
)
"""Modes that change the page of the site; ``renamed`` takes ``seed``."""

MODES = ANSWERS | SHOWN


@dataclass
class Setting:
    """The active modes of a site or host.

    Args:
        modes: Names of the modes.
        options: Options of the modes.
        met: Number of requests to which the modes applied.
    """

    modes: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    met: int = 0

    def __contains__(self, mode: str) -> bool:
        return mode in self.modes


class Switchboard:
    """The modes of all sites and hosts."""

    def __init__(self) -> None:
        self._settings: dict[str, Setting] = {}
        self._lock = threading.Lock()

    def switch(self, where: str, *modes: str, **options: Any) -> None:
        """Replace the modes of a site or host; without modes, it works normally."""
        with self._lock:
            self._settings[where] = Setting(frozenset(modes), options)

    def setting(self, site: str, host: str) -> Setting:
        """Return the setting of a host, else that of its site."""
        with self._lock:
            return self._settings.get(host) or self._settings.get(site) or Setting()

    async def intercept(self, site: Site, request: web.BaseRequest) -> web.StreamResponse | None:
        """Return the response of a mode, or ``None`` to let the site answer."""
        setting = site.setting(request)
        modes = setting.modes & ANSWERS
        if request.path == "/robots.txt" and "down" not in modes:
            return self._robots(site, setting)
        if not modes or not (site.is_page(request) or "down" in modes):
            return None
        if (
            "consent_redirect" in modes
            and site.consent_cookie in request.cookies
            and not setting.options.get("stuck")
        ):
            return None
        setting.met += 1
        after = setting.options.get("after", 0)
        times = setting.options.get("times")
        if setting.met <= after or (times is not None and setting.met > after + times):
            return None
        return await self._answer(site, setting, sorted(modes)[0], request)

    def _robots(self, site: Site, setting: Setting) -> web.Response:
        return web.Response(
            text="User-agent: *\nDisallow: /\n" if "robots_disallow" in setting else site.robots()
        )

    async def _answer(
        self, site: Site, setting: Setting, mode: str, request: web.BaseRequest
    ) -> web.StreamResponse | None:
        options = setting.options
        match mode:
            case "block_200":
                return site.blocked(request, 200)
            case "captcha":
                return site.captcha(request, options.get("status", 200))
            case "consent_redirect":
                return site.consent(request)
            case "down":
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=503)
            case "empty":
                return site.empty(request)
            case "forbidden403":
                return site.render("forbidden.html", status=403)
            case "js_shell":
                return site.shell(request)
            case "rate_limited":
                headers = {"Retry-After": str(options.get("retry_after", 30))}
                return web.Response(text="Too many requests.", status=429, headers=headers)
            case "sorry429":
                return site.captcha(request, 429)
        return None

    def spoil(self, site: Site, setting: Setting, text: str) -> str:
        """Return a page changed by its modes."""
        if "renamed" in setting and site.rotting:
            text = rename(text, site.rotting, setting.options.get("seed", 0))
        return text


def rename(text: str, names: tuple[str, ...], seed: int) -> str:
    """Return a text with each name replaced by a random one."""
    return re.sub(
        rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])",
        lambda found: f"z{int(chance(seed, found.group()) * 2**40):08x}",
        text,
    )
