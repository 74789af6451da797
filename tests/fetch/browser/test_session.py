import http.server
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.fetch.browser import RemoteDriver, Timings, UnreachableError, open_browser, visit
from pixmill.fetch.proxy import Proxy
from pixmill.fetch.values import Network
from tests.certificates import Authority
from tests.servers import Handler, serve
from tests.webdriver import DriverServer

pytestmark = pytest.mark.browser

HOME = "http://shop.pixmill.test/"


def profiles(folder):
    return list(folder.glob("profile-*"))


class Secure(Handler):
    def respond(self):
        self.answer("<title>Secure</title>")


class UntrustedServer(http.server.ThreadingHTTPServer):
    """A server with a certificate of an unknown authority."""

    context: ssl.SSLContext

    def server_activate(self):
        super().server_activate()
        self.socket = self.context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request, client_address):
        pass  # the browser rejects the certificate


@dataclass
class Session:
    """A browser and its proxy."""

    driver: WebDriver
    proxy: Proxy


@pytest.fixture(scope="class")
def session(browser, site, tmp_path_factory):
    """One session for several tests; check at its end that it looked up no names and left no files."""
    look_up = socket.getaddrinfo
    folder = tmp_path_factory.mktemp("session")
    looked_up = set()
    home = folder / "home"
    home.mkdir()
    UntrustedServer.context = Authority(folder).context(["www.google.com"])

    def record(host, *arguments, **options):
        if host in {"localhost", "127.0.0.1", "::1"}:  # the driver
            return look_up(host, *arguments, **options)
        looked_up.add(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with (
        pytest.MonkeyPatch.context() as patch,
        # the browser creates a socket there, whose path must be short
        tempfile.TemporaryDirectory() as short,
        serve(Secure, server=UntrustedServer) as server,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")  # must be ignored
        patch.setenv("HOME", str(home))
        patch.setenv("TMPDIR", short)
        patch.setattr(socket, "getaddrinfo", record)
        served = {"shop.pixmill.test:80": site.port, "www.google.com:443": server.server_port}
        with (
            Proxy(Network(served=served)) as proxy,
            open_browser(browser, proxy=proxy.url, profile=folder / "profiles") as driver,
        ):
            yield Session(driver, proxy)
        assert looked_up == set()
        assert list(home.rglob("loot*")) == []
        assert list(Path(short).iterdir()) == []
        assert profiles(folder / "profiles") == []


class TestOneSession:
    def test_session_does_not_hide_automation(self, session):
        visit(session.driver, HOME)
        assert (session.driver.title, session.driver.current_url) == ("Home", HOME)
        assert session.driver.execute_script("return navigator.webdriver") is True

    def test_unknown_certificate_authority_is_rejected(self, session):
        with pytest.raises(UnreachableError, match="ERR_CERT_AUTHORITY_INVALID"):
            visit(session.driver, "https://www.google.com/")

    def test_downloads_and_telemetry_are_refused(self, session, site, until):
        site.pages["/loot"] = '<a download="loot" href="/file">take</a>'
        visit(session.driver, f"{HOME}loot")
        session.driver.find_element(By.TAG_NAME, "a").click()
        assert until(lambda: "/file" in site.paths)
        assert until(lambda: session.proxy.refusals), (
            "no telemetry: the list of hosts may be superfluous"
        )
        # The fixture checks lookups and files at the end.
        assert visit(session.driver, HOME) == 200


@pytest.mark.slow
def test_two_sessions_run_in_parallel(browser, proxy, tmp_path):
    with (
        open_browser(browser, proxy=proxy.url, profile=tmp_path) as first,
        open_browser(browser, proxy=proxy.url, profile=tmp_path) as second,
    ):
        for driver in (first, second):
            assert visit(driver, HOME) == 200


@pytest.mark.linux
def test_killed_process_leaves_no_browser(browser, proxy, tmp_path, until, mentioning):
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from pixmill.fetch.browser import find_browser, open_browser
        with open_browser(find_browser(), proxy={proxy.url!r}, profile=Path({str(tmp_path)!r})) as driver:
            print(driver.capabilities["goog:processID"], flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().strip().isdigit()
        assert len(mentioning(str(tmp_path))) > 2
        process.kill()
    assert until(lambda: not mentioning(str(tmp_path)))


def drivers():
    return {child for child in psutil.Process().children() if child.name() == "chromedriver"}


@pytest.mark.linux
def test_browser_that_hangs_on_exit_is_killed(browser, proxy, tmp_path, until, mentioning):
    before = drivers()
    with open_browser(
        browser, proxy=proxy.url, profile=tmp_path, timings=Timings(quit=0.5)
    ) as driver:
        (process,) = drivers() - before
        folder = Path(process.environ()["TMPDIR"])
        (folder / "left").touch()
        os.kill(driver.capabilities["goog:processID"], signal.SIGSTOP)
        started = time.monotonic()
    assert time.monotonic() - started < 20
    assert not folder.exists()
    assert until(lambda: not mentioning(str(tmp_path)))


@pytest.mark.parametrize(
    ("part", "script", "message", "command"),
    [
        ("browser", "exit 3", "did not start", "--headless about:blank"),
        (
            "driver",
            "echo no libnss3.so; exit 127",
            "did not start: .*Status code was: 127: no libnss3.so",
            "--port=0",
        ),
        ("driver", None, "did not start: .*permissions", "--port=0"),
    ],
)
def test_failed_start_is_reported_in_one_message(
    browser, proxy, tmp_path, part, script, message, command
):
    broken = tmp_path / part
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755 if script else 0o644)
    pair = replace(browser, **{"binary" if part == "browser" else part: broken})
    with (
        pytest.raises(BrowserError, match=message) as raised,
        open_browser(pair, proxy=proxy.url, profile=tmp_path / "p", timings=Timings(start=0.3)),
    ):
        pass
    assert f"{broken} {command}" in str(raised.value)


@pytest.fixture
def remote(browser, tmp_path):
    remote = DriverServer(browser, tmp_path)
    remote.start()
    yield remote
    remote.kill()


@pytest.mark.slow
def test_remote_browser_without_the_proxy_is_refused_with_advice(remote, tmp_path):
    with (
        pytest.raises(
            BrowserError, match=r"does not use the proxy .*ERR_PROXY_CONNECTION_FAILED"
        ) as raised,
        open_browser(RemoteDriver(remote.url), proxy="http://127.0.0.1:9", profile=tmp_path),
    ):
        pass
    assert "add ?proxy_port=8899 to PIXMILL_WEBDRIVER_URL, then" in raised.value.next
    assert "ssh -N -R 8899:127.0.0.1:8899 MACHINE" in raised.value.next
    assert remote.sessions == set()


def test_lost_remote_browser_leaves_no_session(remote, proxy, tmp_path, until):
    with open_browser(RemoteDriver(remote.url), proxy=proxy.url, profile=tmp_path) as driver:
        assert visit(driver, HOME) == 200
        assert len(remote.sessions) == 1
        os.kill(driver.capabilities["goog:processID"], signal.SIGKILL)
        with pytest.raises(BrowserLostError):
            visit(driver, HOME)
        assert until(lambda: not remote.sessions)
