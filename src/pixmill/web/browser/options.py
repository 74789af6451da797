"""What a driver is told about the browser that it starts: above all a cage, with one proxy as the only way out."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import ChromeOptions, FirefoxOptions
from selenium.webdriver.common.options import ArgOptions

from pixmill.web.browser.kind import FIREFOX, BrowserKind

_SWITCHES = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",  # Containers give /dev/shm 64 MB, and pages that need more crash.
    "--password-store=basic",
    "--use-mock-keychain",
    # MediaRouter looks for screens to cast to by SSDP and mDNS, past every proxy. To hide an address of its own behind
    # a name of mDNS, which WebRTC has no use for without UDP, Chromium joins the group of mDNS, by IGMP.
    "--disable-features=OptimizationHints,MediaRouter,WebRtcHideLocalIpsWithMdns",
    "--mute-audio",
    "--window-size=1280,960",
)

_CHROMIUM_PREFERENCES: dict[str, Any] = {
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


def browser_options(
    kind: BrowserKind, *, binary: Path | None, profile: Path | None, proxy: str, authority: Path | None, headless: bool
) -> ArgOptions:
    """Return the options of a session: caged, with a profile of its own, and otherwise an ordinary browser.

    Args:
        kind: What kind of browser it is.
        binary: The browser's executable; ``None`` with a remote driver, which has its own.
        profile: The profile's folder, not there yet; ``None`` with a remote driver.
        proxy: The address of the proxy that everything goes through.
        authority: A certificate authority of a test world; where there is one, every certificate is accepted.
        headless: Whether no window is shown.
    """
    arguments: list[str]
    if kind == FIREFOX:
        options = FirefoxOptions()
        arguments = ["--width=1280", "--height=960", *(["-headless"] if headless else [])]
        downloads = os.devnull
        if profile is not None:
            profile.mkdir(parents=True)
            downloads = str(profile / "downloads")
            arguments += ["-profile", str(profile)]
        for name, value in firefox_preferences(proxy, downloads).items():
            options.set_preference(name, value)
    else:
        options = ChromeOptions()
        arguments = [*_SWITCHES, *chromium_switches(proxy), *(["--headless=new"] if headless else [])]
        if binary is not None:
            arguments.append("--remote-debugging-pipe")  # The browser ends with its driver; with a port it outlives it.
            if hasattr(os, "geteuid") and os.geteuid() == 0:
                arguments.append("--no-sandbox")  # Chromium refuses to start as root with its sandbox.
        if profile is not None:
            arguments.append(f"--user-data-dir={profile}")
        options.add_experimental_option("prefs", _CHROMIUM_PREFERENCES)
        # The driver lets every page open windows; an ordinary browser does not.
        options.add_experimental_option("excludeSwitches", ["disable-popup-blocking"])
    if binary is not None:
        options.binary_location = str(binary)
    for argument in arguments:
        options.add_argument(argument)
    options.unhandled_prompt_behavior = "dismiss"
    options.accept_insecure_certs = authority is not None
    return options


def chromium_switches(proxy: str) -> list[str]:
    """Return the switches that have Chromium reach everything through a proxy, and nothing past it.

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
