import subprocess
import sys

import pytest

from pixmill.web.browser.session import own_profile


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
