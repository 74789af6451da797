"""A user without an entry in /etc/passwd."""

import getpass
import pwd
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from pixmill.core.process.account import ADDED, complete_account
from pixmill.project.doctor import Status, run_check


@pytest.mark.linux
def test_a_user_without_an_account_gets_a_name_and_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    try:
        complete_account()
        assert Path.home() == Path(tempfile.gettempdir())
        assert getpass.getuser() == "unknown"
        (finding,) = run_check("account", Path())
        assert finding.status is Status.BAD
        assert finding.next == f"export HOME={tempfile.gettempdir()} USER=unknown"
    finally:
        ADDED.clear()
    complete_account()
    assert not ADDED
