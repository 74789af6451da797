import http.server
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from selenium.webdriver.common.by import By

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.web.browser import RemoteDriver, Timings, UnreachableError, open_browser, visit
from pixmill.web.browser import driver as driver_module
from pixmill.web.fetch.proxy import Proxy
from pixmill.web.fetch.values import Network
from tests.certificates import Authority
from tests.servers import Handler, serve
from tests.webdriver import DriverServer

pytestmark = pytest.mark.browser

HOME = "http://shop.pixmill.test/"
HANGS = """trap '' TERM; echo $$ >> "$(dirname "$0")/started"; while :; do sleep 1; done"""
"""A driver that does not heed its end."""


def profiles(folder):
    return list(folder.glob("profile-*"))


def test_a_session_hides_nothing_of_its_kind_and_leaves_no_profile_and_no_temporary_file(
    browser, proxy, tmp_path, monkeypatch
):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # Only the session's own counts.
    with tempfile.TemporaryDirectory() as short:  # The browser makes a socket there, whose path must be short.
        monkeypatch.setenv("TMPDIR", short)
        for _ in range(2):
            with open_browser(browser, proxy=proxy.url, profile=tmp_path) as driver:
                visit(driver, HOME)
                assert (driver.title, driver.current_url) == ("Home", HOME)
                assert driver.execute_script("return navigator.webdriver") is True
        assert list(Path(short).iterdir()) == []
    assert profiles(tmp_path) == []


def drivers():
    return {child for child in psutil.Process().children() if child.name() == "chromedriver"}


def test_a_browser_that_is_killed_leaves_no_temporary_file(browser, proxy, tmp_path):
    before = drivers()
    with open_browser(browser, proxy=proxy.url, profile=tmp_path) as driver:
        visit(driver, HOME)
        (process,) = drivers() - before
        folder = Path(process.environ()["TMPDIR"])
        (folder / "left").touch()
        os.killpg(process.pid, signal.SIGKILL)
    assert not folder.exists()


def test_a_download_is_refused(browser, site, proxy, tmp_path, monkeypatch, until):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    site.pages["/loot"] = '<a download="loot" href="/file">take</a>'
    with open_browser(browser, proxy=proxy.url, profile=tmp_path / "profiles") as driver:
        visit(driver, f"{HOME}loot")
        driver.find_element(By.TAG_NAME, "a").click()
        assert until(lambda: "/file" in site.asked)
        assert not until(lambda: list(home.rglob("loot*")), seconds=2.0)


@pytest.mark.slow
def test_two_sessions_side_by_side_leave_each_other_alone(browser, proxy, tmp_path):
    with (
        open_browser(browser, proxy=proxy.url, profile=tmp_path) as first,
        open_browser(browser, proxy=proxy.url, profile=tmp_path) as second,
    ):
        for driver in (first, second):
            assert visit(driver, HOME) == 200


@pytest.mark.linux
def test_a_killed_process_leaves_no_browser_and_its_profile_goes_with_the_next(
    browser, proxy, tmp_path, until, mentioning
):
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from pixmill.web.browser import find_browser, open_browser
        with open_browser(find_browser(), proxy={proxy.url!r}, profile=Path({str(tmp_path)!r})) as driver:
            print(driver.capabilities["goog:processID"], flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip().isdigit()
        assert len(mentioning(str(tmp_path))) > 2
        process.kill()
    assert until(lambda: not mentioning(str(tmp_path)))
    assert len(profiles(tmp_path)) == 1
    with open_browser(browser, proxy=proxy.url, profile=tmp_path):
        assert len(profiles(tmp_path)) == 1
    assert profiles(tmp_path) == []


@pytest.mark.linux
def test_a_browser_that_hangs_at_the_end_is_killed_in_time(browser, proxy, tmp_path, until, mentioning):
    with open_browser(browser, proxy=proxy.url, profile=tmp_path, timings=Timings(quit=0.5)) as driver:
        os.kill(driver.capabilities["goog:processID"], signal.SIGSTOP)
        started = time.monotonic()
    assert time.monotonic() - started < 20
    assert until(lambda: not mentioning(str(tmp_path)))


def test_a_driver_whose_port_is_taken_is_started_again(browser, proxy, tmp_path, monkeypatch):
    """Another program may take the port between the look and the driver's start."""
    free_port = driver_module._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]] * 2)
        monkeypatch.setattr(driver_module, "_free_port", lambda: next(ports, None) or free_port())
        with open_browser(browser, proxy=proxy.url, profile=tmp_path) as driver:
            assert driver.title == "New Tab"
        assert next(ports, None) is None


@pytest.mark.parametrize(
    "said",
    ["IPv6 port not available. Exiting...", "geckodriver: error: Address in use (os error 98)"],
)
def test_what_drivers_print_where_the_port_is_taken_is_known(browser, proxy, tmp_path, said):
    unlucky = tmp_path / "chromedriver"
    unlucky.write_text(
        f'#!/bin/sh\necho >> {tmp_path}/starts\n[ $(wc -l < {tmp_path}/starts) -gt 2 ] && exec {browser.driver} "$@"\n'
        f"echo '{said}'\nexit 1\n"
    )
    unlucky.chmod(0o755)
    with open_browser(replace(browser, driver=unlucky), proxy=proxy.url, profile=tmp_path / "p") as driver:
        assert driver.title == "New Tab"
    assert (tmp_path / "starts").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("part", "script", "message", "command"),
    [
        ("browser", "exit 3", "did not start", "--headless about:blank"),
        ("driver", "echo no libnss3.so; exit 127", "did not start: exit code 127: no libnss3.so", "--port=0"),
        ("driver", HANGS, "did not start: it did not listen within 1 s", "--port=0"),
        ("driver", None, "did not start: Permission denied", "--port=0"),
    ],
)
def test_a_browser_or_a_driver_that_does_not_start_is_one_message(
    browser, proxy, tmp_path, part, script, message, command
):
    broken = tmp_path / part
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755 if script else 0o644)
    pair = replace(browser, **{"binary" if part == "browser" else part: broken})
    timings = Timings(start=1.0, driver=1.0 if script == HANGS else 30.0)
    with (
        pytest.raises(BrowserError, match=message) as raised,
        open_browser(pair, proxy=proxy.url, profile=tmp_path / "p", timings=timings),
    ):
        pass
    assert f"{broken} {command}" in str(raised.value)
    if script == HANGS:
        (pid,) = (tmp_path / "started").read_text().split()
        assert not psutil.pid_exists(int(pid))


@pytest.fixture
def remote(browser, tmp_path):
    remote = DriverServer(browser, tmp_path)
    remote.start()
    yield remote
    remote.kill()


def test_a_remote_opens_browsers_that_go_through_the_proxy(remote, proxy, tmp_path):
    with open_browser(RemoteDriver(remote.url), proxy=proxy.url, profile=tmp_path) as driver:
        assert visit(driver, HOME) == 200
        assert len(remote.sessions) == 1
    assert remote.sessions == set()


@pytest.mark.parametrize(
    ("port", "advice"),
    [(9, "ssh -N -R 9:127.0.0.1:9 MACHINE"), (0, "add ?proxy_port=8899 to PIXMILL_WEBDRIVER_URL, then")],
)
def test_a_remote_that_does_not_reach_the_proxy_is_told_what_it_needs(remote, tmp_path, port, advice):
    with (
        pytest.raises(BrowserError, match=r"does not use the proxy .*ERR_PROXY_CONNECTION_FAILED") as raised,
        open_browser(RemoteDriver(remote.url, proxy_port=port), proxy="http://127.0.0.1:9", profile=tmp_path),
    ):
        pass
    assert advice in raised.value.next
    assert remote.sessions == set()


def test_a_browser_that_is_lost_on_a_remote_leaves_no_session(remote, proxy, tmp_path):
    with open_browser(RemoteDriver(remote.url), proxy=proxy.url, profile=tmp_path) as driver:
        os.kill(driver.capabilities["goog:processID"], signal.SIGKILL)
        with pytest.raises(BrowserLostError):
            visit(driver, HOME)
        # The driver of a busy machine may take longer to end a session than its answer is waited for.
        deadline = time.monotonic() + 60
        while remote.sessions and time.monotonic() < deadline:
            time.sleep(0.1)
        assert remote.sessions == set()


@pytest.fixture
def secure(tmp_path):
    """A site with TLS under a name of the web, its authority as a file, and its port."""
    authority = Authority(tmp_path)
    context = authority.context(["www.google.com"])

    class Secure(Handler):
        def respond(self):
            self.answer("<title>Secure</title>")

    class Server(http.server.ThreadingHTTPServer):
        def server_activate(self):
            super().server_activate()
            self.socket = context.wrap_socket(self.socket, server_side=True)

        def handle_error(self, request, client_address):
            pass  # A browser that trusts no such certificate hangs up.

    with serve(Secure, server=Server) as server:
        yield Network(served={"www.google.com:443": server.server_port}, authority=authority.pem)


@pytest.mark.parametrize("trusted", [True, False])
def test_an_authority_is_believed_where_it_is_given(browser, secure, tmp_path, trusted):
    authority = secure.authority if trusted else None
    with (
        Proxy(secure) as proxy,
        open_browser(browser, proxy=proxy.url, profile=tmp_path / "p", authority=authority) as driver,
    ):
        if trusted:
            assert visit(driver, "https://www.google.com/") == 200
            assert driver.title == "Secure"
        else:
            with pytest.raises(UnreachableError, match="ERR_CERT_AUTHORITY_INVALID"):
                visit(driver, "https://www.google.com/")


def test_nothing_calls_home(browser, site, tmp_path, monkeypatch):
    look_up = socket.getaddrinfo
    looked_up = set()

    def record(host, *arguments, **options):
        if host in {"localhost", "127.0.0.1", "::1"}:  # the driver
            return look_up(host, *arguments, **options)
        looked_up.add(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", record)
    with (
        Proxy(Network(served={"shop.pixmill.test:80": site.port})) as proxy,
        open_browser(browser, proxy=proxy.url, profile=tmp_path) as driver,
    ):
        visit(driver, HOME)
        time.sleep(5)  # Browsers take their time.
        assert proxy.refusals, "nothing was tried: the list of hosts may be superfluous"
    assert looked_up == set()
