"""Kinds of browser, and their options, which make the proxy the only way out."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import ChromeOptions, FirefoxOptions
from selenium.webdriver.common.options import ArgOptions


@dataclass(frozen=True)
class BrowserKind:
    """Browsers that share a driver.

    Args:
        name: Selenium Manager's name.
        title: Name in messages.
    """

    name: str
    title: str


CHROMIUM = BrowserKind("chrome", "Chromium or Chrome")
FIREFOX = BrowserKind("firefox", "Firefox")

KINDS = {"chrome": CHROMIUM, "chromium": CHROMIUM, "firefox": FIREFOX}
"""Kinds by the values of ``PIXMILL_BROWSER``."""

_SWITCHES = (
    "--no-default-browser-check",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--disable-dev-shm-usage",  # /dev/shm has 64 MB in containers, and pages that need more crash
    # MediaRouter searches for cast devices by SSDP and mDNS, which bypass proxies.
    # WebRtcHideLocalIpsWithMdns, which is unnecessary without UDP, joins the mDNS multicast group
    # by IGMP.
    "--disable-features=OptimizationHints,MediaRouter,WebRtcHideLocalIpsWithMdns",
    "--mute-audio",
    "--window-size=1280,960",
)
"""Switches in addition to those of ChromeDriver, such as ``--disable-sync``."""

_CHROMIUM_PREFERENCES: dict[str, Any] = {
    # all downloads: a link with `download` would write into the home folder
    "download_restrictions": 3,
    "net.network_prediction_options": 2,  # no speculative connections
    "search.suggest_enabled": False,
    # With Google as its search engine Chromium keeps loading parts of Google's start page. This
    # name does not resolve (RFC 2606).
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


def browser_options(
    kind: BrowserKind,
    *,
    binary: Path | None,
    profile: Path | None,
    proxy: str,
    authority: Path | None,
    headless: bool,
) -> ArgOptions:
    """Return the options of a sandboxed session.

    Args:
        kind: Kind of browser.
        binary: Executable of the browser; ``None`` with a remote driver.
        profile: Folder for the profile, which must not exist yet; ``None`` with a remote driver.
        proxy: URL of the proxy.
        authority: Certificate authority for tests; if given, all certificates are accepted.
        headless: Run without a window.
    """
    if kind == FIREFOX:
        options = _firefox_options(profile, proxy)
        headless_switch = "-headless"
    else:
        options = _chromium_options(profile, proxy, is_local=binary is not None)
        headless_switch = "--headless=new"
    if headless:
        options.add_argument(headless_switch)
    if binary is not None:
        options.binary_location = str(binary)
    options.unhandled_prompt_behavior = "dismiss"
    options.accept_insecure_certs = authority is not None
    return options


def _firefox_options(profile: Path | None, proxy: str) -> FirefoxOptions:
    options = FirefoxOptions()
    options.add_argument("--width=1280")
    options.add_argument("--height=960")
    downloads = os.devnull
    if profile is not None:
        profile.mkdir(parents=True)
        downloads = str(profile / "downloads")
        options.add_argument("-profile")
        options.add_argument(str(profile))
    for name, value in firefox_preferences(proxy, downloads).items():
        options.set_preference(name, value)
    return options


def _chromium_options(profile: Path | None, proxy: str, *, is_local: bool) -> ChromeOptions:
    options = ChromeOptions()
    for switch in (*_SWITCHES, *chromium_switches(proxy)):
        options.add_argument(switch)
    if is_local:
        # With a port, the browser would outlive its driver.
        options.add_argument("--remote-debugging-pipe")
    if is_local and hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium does not start as root with its sandbox
    if profile is not None:
        options.add_argument(f"--user-data-dir={profile}")
    options.add_experimental_option("prefs", _CHROMIUM_PREFERENCES)
    # The driver disables the popup blocker by default.
    options.add_experimental_option("excludeSwitches", ["disable-popup-blocking"])
    return options


def chromium_switches(proxy: str) -> list[str]:
    """Return the switches with which Chromium sends all traffic through a proxy.

    Args:
        proxy: URL of the proxy, such as ``http://127.0.0.1:9000``.
    """
    return [
        # Prevents DNS lookups, which would leak data; the rules apply to literal addresses too.
        f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {urlsplit(proxy).hostname}",
        f"--proxy-server={proxy}",
        # Without <-loopback>, requests to this machine bypass the proxy.
        "--proxy-bypass-list=<-loopback>",
        "--disable-quic",
        # By default WebRTC sends UDP to any address that a page names, bypassing resolver and
        # proxy.
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    ]


def firefox_preferences(proxy: str, downloads: str) -> dict[str, bool | int | str]:
    """Return the preferences with which Firefox sends all traffic through a proxy.

    Args:
        proxy: URL of the proxy, such as ``http://127.0.0.1:9000``.
        downloads: Folder that is removed with the session, for the downloads that Firefox cannot
            refuse.
    """
    address = urlsplit(proxy)
    route: dict[str, bool | int | str] = {"network.proxy.type": 1}
    for protocol in ("http", "ssl"):
        route[f"network.proxy.{protocol}"] = address.hostname or ""
        route[f"network.proxy.{protocol}_port"] = address.port or 80
    return {
        **route,
        # By default requests to this machine bypass the proxy, regardless of no_proxies_on.
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
        # Telemetry and updates.
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
