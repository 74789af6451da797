"""The cage of a browser: settings that leave it no way out but one proxy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

__all__ = ["CHROMIUM_PREFERENCES", "chromium_switches", "firefox_preferences"]

CHROMIUM_PREFERENCES: Mapping[str, Any] = MappingProxyType(
    {
        "download_restrictions": 3,  # Every download: a link with `download` would write into the home folder.
        "net.network_prediction_options": 2,  # No connection on suspicion, such as to the usual search engine.
        "search.suggest_enabled": False,
        # With Google as its engine for searches Chromium asks for parts of Google's start page, time and again. So it
        # has one that cannot be (RFC 2606).
        "search_provider_overrides_version": 1,
        "search_provider_overrides": (
            {
                "id": 2,
                "enabled": True,
                "name": "None",
                "keyword": "search.invalid",
                "search_url": "http://search.invalid/?q={searchTerms}",
                "favicon_url": "http://search.invalid/favicon.ico",
                "encoding": "UTF-8",
            },
        ),
    }
)


def chromium_switches(proxy: str) -> list[str]:
    """Return the switches that have Chromium and Edge reach everything through a proxy, and nothing past it.

    Args:
        proxy: The proxy's address, such as ``http://127.0.0.1:9000``.
    """
    return [
        # A name that the browser resolved itself would be a way out; literal addresses obey these rules too.
        f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {urlsplit(proxy).hostname}",
        f"--proxy-server={proxy}",
        # Without <-loopback> a browser goes past its proxy to every server on this machine.
        "--proxy-bypass-list=<-loopback>",
        "--disable-quic",
        # WebRTC sends UDP to any address that a page names, past resolver and proxy, unless this policy stops it.
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    ]


def firefox_preferences(proxy: str, downloads: str) -> dict[str, bool | int | str]:
    """Return the preferences that have Firefox reach everything through a proxy, and nothing past it.

    Args:
        proxy: The proxy's address, such as ``http://127.0.0.1:9000``.
        downloads: A folder that ends with the session. Firefox cannot refuse every download, so what a page forces on
            it is lost there.
    """
    address = urlsplit(proxy)
    route: dict[str, bool | int | str] = {"network.proxy.type": 1}
    for protocol in ("http", "ssl"):
        route[f"network.proxy.{protocol}"] = address.hostname or ""
        route[f"network.proxy.{protocol}_port"] = address.port or 80
    return {
        **route,
        # By default Firefox goes past its proxy to this machine, whatever the list of exceptions says.
        "network.proxy.allow_hijacking_localhost": True,
        "network.proxy.no_proxies_on": "",
        "network.proxy.failover_direct": False,
        "network.proxy.allow_bypass": False,
        "network.dns.disablePrefetch": True,
        "network.http.http3.enable": False,
        "network.trr.mode": 5,
        "media.peerconnection.enabled": False,
        "browser.download.folderList": 2,
        "browser.download.dir": downloads,
        "browser.download.useDownloadDir": True,
        "browser.download.manager.addToRecentDocs": False,
        # Nothing calls home.
        "app.normandy.enabled": False,
        "app.update.auto": False,
        "browser.region.update.enabled": False,
        "browser.safebrowsing.malware.enabled": False,
        "browser.safebrowsing.phishing.enabled": False,
        "datareporting.healthreport.uploadEnabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "dom.push.connection.enabled": False,
        "extensions.update.enabled": False,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "toolkit.telemetry.enabled": False,
    }
