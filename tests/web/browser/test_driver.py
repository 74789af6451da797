import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from filelock import FileLock

from pixmill.web.browser.driver import own_profile, running_driver


def test_a_profile_is_gone_with_its_session(tmp_path):
    with own_profile(tmp_path / "profiles") as folder:
        folder.mkdir()
        (folder / "cookies").touch()
    assert list((tmp_path / "profiles").glob("profile-*")) == []


def test_sessions_at_once_keep_their_profiles(tmp_path):
    with own_profile(tmp_path) as first:
        first.mkdir()
        with own_profile(tmp_path) as second:
            assert first != second
            assert first.exists()


def test_a_session_that_ends_waits_for_one_that_removes_dead_profiles(tmp_path):
    opened, ended = threading.Event(), threading.Event()

    def session():
        with own_profile(tmp_path):
            opened.set()
            ended.wait(60)

    thread = threading.Thread(target=session)
    thread.start()
    assert opened.wait(60)
    with FileLock(tmp_path / "profiles.lock"):
        ended.set()
        thread.join(0.2)
        assert [(path / "lock").exists() for path in tmp_path.glob("profile-*")] == [True]
    thread.join(60)
    assert list(tmp_path.glob("profile-*")) == []


@pytest.mark.linux
def test_a_browser_that_outlived_its_session_is_ended_with_the_profile(tmp_path):
    dead = tmp_path / "profile-dead"
    dead.mkdir()
    script = "import sys, time; print(sys.argv[1], flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, str(dead / "data")], stdout=subprocess.PIPE) as left:
        left.stdout.readline()
        with own_profile(tmp_path):
            assert left.wait(60) == -9
        assert not dead.exists()


@pytest.mark.browser
def test_a_driver_whose_port_is_taken_is_started_again(browser, tmp_path, monkeypatch):
    """Another program may take the port between the look and the driver's start."""
    create = socket.create_server
    with create(("127.0.0.1", 0)) as taken:
        looks = iter([taken.dup(), taken.dup()])
        monkeypatch.setattr(socket, "create_server", lambda *given, **how: next(looks, None) or create(*given, **how))
        with running_driver(browser, tmp_path / "log") as (url, _):
            assert url != f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert next(looks, None) is None


@pytest.mark.browser
def test_what_drivers_print_where_the_port_is_taken_is_known(browser, tmp_path):
    unlucky = tmp_path / "chromedriver"
    unlucky.write_text(
        f"#!/bin/sh\necho >> {tmp_path}/starts\ncase $(wc -l < {tmp_path}/starts) in\n"
        "1) echo 'IPv6 port not available. Exiting...'; exit 1;;\n"
        "2) echo 'geckodriver: error: Address in use (os error 98)'; exit 1;;\n"
        f'*) exec {browser.driver} "$@";;\nesac\n'
    )
    unlucky.chmod(0o755)
    with running_driver(replace(browser, driver=unlucky), tmp_path / "log"):
        assert (tmp_path / "starts").read_text().count("\n") == 3
