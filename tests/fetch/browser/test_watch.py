"""Killed, stopped or busy browsers and drivers are reported as lost in bounded time."""

import contextlib
import os
import signal
import time

import psutil
import pytest
from selenium.common import TimeoutException

from pixmill.core.errors import BrowserLostError
from pixmill.fetch.browser import LoadTimeoutError, Timings, UnreachableError, open_browser, visit

pytestmark = [pytest.mark.browser, pytest.mark.linux]

HOME = "http://shop.pixmill.test/"


@pytest.fixture
def driver(browser, proxy, tmp_path, until, mentioning):
    # A long timeout, to detect whether a lost browser is asked to quit.
    timings = Timings(answer=1.0, quit=60.0)
    with open_browser(browser, proxy=proxy.url, profile=tmp_path, timings=timings) as driver:
        # The first page of a new browser takes seconds on a busy machine.
        visit(driver, HOME)
        driver.set_page_load_timeout(3)
        driver.set_script_timeout(1)
        driver.command_executor.client_config.timeout = 5.0
        yield driver
        closing = time.monotonic()
    assert time.monotonic() - closing < 30, "a lost browser was asked to quit"
    assert until(lambda: not mentioning(str(tmp_path)))
    assert not list(tmp_path.glob("profile-*"))


def browser_pid(driver):
    return driver.capabilities["goog:processID"]


def renderers(driver):
    """Return the living renderer processes."""
    found = []
    for each in psutil.Process(browser_pid(driver)).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("--type=renderer" in word for word in each.cmdline()):
                found.append(each)
    return found


def driver_pid(driver):
    return psutil.Process(browser_pid(driver)).ppid()


def kill_browser(driver):
    os.kill(browser_pid(driver), signal.SIGKILL)


def kill_page(driver):
    pages = renderers(driver)
    assert pages
    for page in pages:
        page.kill()


def kill_driver(driver):
    os.kill(driver_pid(driver), signal.SIGKILL)


@pytest.mark.parametrize(
    "kill",
    [
        kill_browser,
        *(pytest.param(kill, marks=pytest.mark.slow) for kill in (kill_page, kill_driver)),
    ],
)
def test_killed_process_is_a_lost_browser(driver, kill):
    kill(driver)
    with pytest.raises(BrowserLostError, match=f"crashed or hangs at {HOME}"):
        _ = driver.title
    with pytest.raises(BrowserLostError, match=f"crashed or hangs at {HOME}"):
        visit(driver, HOME)


@pytest.mark.slow
@pytest.mark.parametrize("whose", [browser_pid, driver_pid])
def test_stopped_process_is_a_lost_browser(driver, whose):
    os.kill(whose(driver), signal.SIGSTOP)
    driver.command_executor.client_config.timeout = 1.0
    started = time.monotonic()
    with pytest.raises(BrowserLostError):
        visit(driver, HOME)
    assert time.monotonic() - started < 30
    driver.command_executor.client_config.timeout = 60.0
    started = time.monotonic()
    with pytest.raises(BrowserLostError):
        _ = driver.title
    assert time.monotonic() - started < 30, "a second command waited for a lost browser"


def test_slow_script_times_out_but_busy_page_loses_the_browser(driver, site):
    with pytest.raises(TimeoutException):
        driver.execute_async_script("setTimeout(arguments[0], 60000)")
    assert driver.title == "Home"
    site.pages["/busy"] = "<title>Busy</title><script>while (1);</script>"
    started = time.monotonic()
    with pytest.raises(BrowserLostError, match=f"hangs at {HOME}busy"):
        visit(driver, f"{HOME}busy")
    assert time.monotonic() - started < 30


@pytest.mark.slow
def test_endless_alerts_end_in_bounded_time(driver, site):
    # ChromeDriver's behaviour differs from run to run, but it must end.
    site.pages["/nags"] = "<script>setInterval(() => alert(1), 10)</script>"
    started = time.monotonic()
    with contextlib.suppress(BrowserLostError, LoadTimeoutError, UnreachableError):
        visit(driver, f"{HOME}nags")
        visit(driver, HOME)
    assert time.monotonic() - started < 60
