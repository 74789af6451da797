"""A user without an entry in /etc/passwd."""

import getpass
import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from pixmill.core.process.account import ADDED, complete_account
from pixmill.project.doctor import Status, run_check


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Return the folder of temporary files of a user without an account."""

    def unknown(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    ADDED.clear()


@pytest.mark.linux
def test_a_user_without_an_account_gets_a_name_and_a_home_of_its_own(nobody: Path) -> None:
    complete_account()
    home = nobody / f"pixmill-{os.getuid()}"
    assert (Path.home(), getpass.getuser()) == (home, "unknown")
    assert home.stat().st_mode & 0o777 == 0o700
    (finding,) = run_check("account", Path())
    assert finding.status is Status.BAD
    assert finding.next == f"export HOME={home} USER=unknown"
    del os.environ["HOME"]
    complete_account()
    assert Path.home() == home  # the next command finds its files


@pytest.mark.linux
@pytest.mark.parametrize(
    "prepare", [lambda home: home.mkdir(mode=0o777), lambda home: home.symlink_to("/etc")]
)
def test_what_another_user_may_write_to_is_no_home(
    nobody: Path, prepare: Callable[[Path], None]
) -> None:
    taken = nobody / f"pixmill-{os.getuid()}"
    prepare(taken)
    complete_account()
    assert Path.home() not in (taken, nobody)
    assert Path.home().stat().st_mode & 0o777 == 0o700


def test_an_account_is_left_alone() -> None:
    complete_account()
    assert not ADDED
