import os
from pathlib import Path

import pytest

from pixmill.web.browser.kind import CHROMIUM, FIREFOX
from pixmill.web.browser.options import browser_options

PROXY = "http://127.0.0.1:4711"


def options(kind, tmp_path, *, binary=Path("/usr/bin/x"), headless=True, authority=None):
    profile = tmp_path / "data" if binary else None
    return browser_options(
        kind, binary=binary, profile=profile, proxy=PROXY, authority=authority, headless=headless
    ).to_capabilities()


def test_chromium_is_caged_by_its_switches(tmp_path):
    told = options(CHROMIUM, tmp_path)["goog:chromeOptions"]
    assert f"--proxy-server={PROXY}" in told["args"]
    assert "--proxy-bypass-list=<-loopback>" in told["args"]
    assert "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1" in told["args"]
    assert "--webrtc-ip-handling-policy=disable_non_proxied_udp" in told["args"]
    assert told["prefs"]["download_restrictions"] == 3
    assert "enable-automation" not in told["excludeSwitches"]


def test_firefox_is_caged_by_its_preferences(tmp_path):
    told = options(FIREFOX, tmp_path)["moz:firefoxOptions"]["prefs"]
    assert [told[f"network.proxy.{name}"] for name in ("type", "http", "http_port", "ssl", "ssl_port")] == [
        1, "127.0.0.1", 4711, "127.0.0.1", 4711,
    ]  # fmt: skip
    assert told["network.proxy.allow_hijacking_localhost"] is True
    assert told["network.proxy.no_proxies_on"] == ""
    assert told["media.peerconnection.enabled"] is False
    assert told["browser.download.dir"] == str(tmp_path / "data" / "downloads")


def test_a_window_is_shown_on_demand(tmp_path):
    assert "--headless=new" in options(CHROMIUM, tmp_path)["goog:chromeOptions"]["args"]
    assert "--headless=new" not in options(CHROMIUM, tmp_path, headless=False)["goog:chromeOptions"]["args"]
    assert "-headless" in options(FIREFOX, tmp_path / "1")["moz:firefoxOptions"]["args"]
    assert "-headless" not in options(FIREFOX, tmp_path / "2", headless=False)["moz:firefoxOptions"]["args"]


@pytest.mark.parametrize("user", [0, 1000])
def test_only_root_goes_without_the_sandbox(tmp_path, monkeypatch, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert ("--no-sandbox" in options(CHROMIUM, tmp_path)["goog:chromeOptions"]["args"]) == (user == 0)


def test_a_remote_driver_has_its_own_browser_and_profile(tmp_path):
    told = options(CHROMIUM, tmp_path, binary=None)["goog:chromeOptions"]
    assert "binary" not in told
    assert not any(word.startswith(("--user-data-dir", "--no-sandbox")) for word in told["args"])


@pytest.mark.parametrize("kind", [CHROMIUM, FIREFOX])
def test_alerts_are_dismissed_and_certificates_checked(tmp_path, kind):
    told = options(kind, tmp_path)
    assert told["unhandledPromptBehavior"] == "dismiss"
    assert not told.get("acceptInsecureCerts")
