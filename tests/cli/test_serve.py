"""``pixmill serve`` refuses what cannot work before it serves, and says who may reach it."""

import socket
from pathlib import Path
from typing import Any

import pytest

from pixmill.cli import main
from pixmill.serve import server
from pixmill.serve.settings import LOOPBACK, Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Settings, dict[str, Any]]]:
    """What the server would have been started with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIXMILL_API_KEYS", raising=False)
    given: list[tuple[Settings, dict[str, Any]]] = []
    monkeypatch.setattr(server, "run", lambda settings, **named: given.append((settings, named)))
    return given


def test_by_default_only_this_machine_is_answered(served, capsys) -> None:
    main(["serve", "--model", "m"])
    ((settings, named),) = served
    assert (settings.hosts, settings.keys, settings.urls, settings.inbox) == (LOOPBACK, (), True, None)
    assert (named["host"], named["port"]) == ("127.0.0.1", 8000)
    assert capsys.readouterr().err == ""


def test_in_a_project_corrections_go_into_its_inbox(served, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    main(["serve"])
    main(["serve", "--inbox", "elsewhere"])
    main(["serve", "--no-feedback", "--inbox", "elsewhere"])
    assert [settings.inbox for settings, _ in served] == [tmp_path / "inbox", Path("elsewhere"), None]
    assert served[0][0].root == tmp_path


def test_corrections_may_go_into_a_bucket(served, capsys) -> None:
    main(["serve", "--model", "m", "--inbox", "s3://photos/inbox"])
    assert served[0][0].inbox == "s3://photos/inbox"
    with pytest.raises(SystemExit):
        main(["serve", "--model", "m", "--inbox", "gs://photos/inbox"])
    assert "expected a folder or s3://BUCKET/PREFIX, received 'gs://photos/inbox'" in capsys.readouterr().err


def test_others_are_let_in_with_a_warning_or_a_key(served, capsys, tmp_path: Path, monkeypatch) -> None:
    main(["serve", "--model", "m", "--host", "0.0.0.0"])
    assert "everyone who reaches 0.0.0.0 may use this server" in capsys.readouterr().err
    (tmp_path / "keys").write_text("a\n\n b \n")
    monkeypatch.setenv("PIXMILL_API_KEYS", "c, d,")
    main(["serve", "--model", "m", "--host", "0.0.0.0", "--api-keys", "keys"])
    assert capsys.readouterr().err == ""
    main(["serve", "--model", "m", "--proxy", "127.0.0.1"])
    assert [settings.hosts for settings, _ in served] == [None] * 3
    assert set(served[1][0].keys) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), ("\n \n", "holds no key")])
def test_a_file_without_keys_is_an_error(served, tmp_path: Path, capsys, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    with pytest.raises(SystemExit):
        main(["serve", "--model", "m", "--api-keys", "keys"])
    assert message in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize("option", ["--workers=0", "--workers=1.5", "--url-rate=-1", "--url-rate=x"])
def test_numbers_are_whole(served, capsys, option: str) -> None:
    with pytest.raises(SystemExit):
        main(["serve", option])
    assert "expected a whole number above 0" in capsys.readouterr().err


def test_the_network_can_be_left_alone(served) -> None:
    main(["serve", "--url-rate", "0"])
    assert not served[0][0].urls


def test_a_port_that_is_taken_is_known_before_the_model_is_loaded(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit):
            main(["serve", "--model", "no-such-model", "--port", str(port)])
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["serve", "--model", "no-such-model", "--port", "0"])
    assert "no-such-model" in capsys.readouterr().err
