import os
from pathlib import Path

import pytest

from pixmill.fetch.browser.options import CHROMIUM, FIREFOX, browser_options

PROXY = "http://127.0.0.1:4711"


def options(kind, tmp_path, *, binary=Path("/usr/bin/x"), headless=True, authority=None):
    profile = tmp_path / "data" if binary else None
    return browser_options(
        kind, binary=binary, profile=profile, proxy=PROXY, authority=authority, headless=headless
    ).to_capabilities()


def test_chromium_switches_enforce_the_proxy(tmp_path):
    sent = options(CHROMIUM, tmp_path)["goog:chromeOptions"]
    assert f"--proxy-server={PROXY}" in sent["args"]
    assert "--proxy-bypass-list=<-loopback>" in sent["args"]
    assert "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1" in sent["args"]
    assert "--webrtc-ip-handling-policy=disable_non_proxied_udp" in sent["args"]
    assert sent["prefs"]["download_restrictions"] == 3
    assert "enable-automation" not in sent["excludeSwitches"]


def test_firefox_preferences_enforce_the_proxy(tmp_path):
    sent = options(FIREFOX, tmp_path)["moz:firefoxOptions"]["prefs"]
    assert [sent[f"network.proxy.{name}"] for name in ("type", "http", "http_port", "ssl", "ssl_port")] == [
        1, "127.0.0.1", 4711, "127.0.0.1", 4711,
    ]  # fmt: skip
    assert sent["network.proxy.allow_hijacking_localhost"] is True
    assert sent["network.proxy.no_proxies_on"] == ""
    assert sent["media.peerconnection.enabled"] is False
    assert sent["browser.download.dir"] == str(tmp_path / "data" / "downloads")


@pytest.mark.parametrize("user", [0, 1000])
def test_only_root_disables_the_chromium_sandbox(tmp_path, monkeypatch, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert ("--no-sandbox" in options(CHROMIUM, tmp_path)["goog:chromeOptions"]["args"]) == (
        user == 0
    )


def test_remote_driver_gets_no_binary_and_no_profile(tmp_path):
    sent = options(CHROMIUM, tmp_path, binary=None)["goog:chromeOptions"]
    assert "binary" not in sent
    assert not any(word.startswith(("--user-data-dir", "--no-sandbox")) for word in sent["args"])


@pytest.mark.parametrize("kind", [CHROMIUM, FIREFOX])
def test_alerts_are_dismissed_and_certificates_checked(tmp_path, kind):
    sent = options(kind, tmp_path)
    assert sent["unhandledPromptBehavior"] == "dismiss"
    assert not sent.get("acceptInsecureCerts")
