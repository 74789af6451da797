import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from pixmill.web.browser.session import own_profile, running_driver


def test_profile_is_removed_with_its_session(tmp_path):
    with own_profile(tmp_path / "profiles") as folder:
        folder.mkdir()
        (folder / "cookies").touch()
    assert list((tmp_path / "profiles").glob("profile-*")) == []


def test_concurrent_sessions_have_separate_profiles(tmp_path):
    with own_profile(tmp_path) as first:
        first.mkdir()
        with own_profile(tmp_path) as second:
            assert first != second
            assert first.exists()


@pytest.mark.linux
def test_browser_of_a_dead_session_is_killed(tmp_path):
    dead = tmp_path / "profile-dead"
    dead.mkdir()
    script = "import sys, time; print(sys.argv[1], flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, str(dead / "data")], stdout=subprocess.PIPE) as left:
        left.stdout.readline()
        with own_profile(tmp_path):
            assert left.wait(60) == -9
        assert not dead.exists()


@pytest.mark.browser
def test_driver_is_restarted_if_its_port_is_taken(browser, tmp_path, monkeypatch):
    """Another program may take the port before the driver starts."""
    create = socket.create_server
    with create(("127.0.0.1", 0)) as taken:
        probes = iter([taken.dup(), taken.dup()])
        monkeypatch.setattr(
            socket, "create_server", lambda *args, **options: next(probes, None) or create(*args, **options)
        )
        with running_driver(browser, tmp_path / "log") as (url, _):
            assert url != f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert next(probes, None) is None


@pytest.mark.browser
def test_port_messages_of_drivers_are_recognized(browser, tmp_path):
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
