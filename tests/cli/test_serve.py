"""``pixmill serve`` validates its options before it serves."""

import socket
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.errors import PixmillError
from pixmill.dataset.prediction_log import recorded_logs
from pixmill.serve.http import server, sharing
from pixmill.serve.http.api import Endpoints
from pixmill.serve.http.server import Settings
from tests.command import run_pixmill


@pytest.fixture
def served(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[tuple[Settings, dict[str, Any]]]:
    """Arguments of each started server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIXMILL_API_KEYS", raising=False)
    given: list[tuple[Settings, dict[str, Any]]] = []
    monkeypatch.setattr(server, "run", lambda settings, **named: given.append((settings, named)))
    return given


def test_inbox_of_the_project(served, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    assert run_pixmill("serve") == 0
    assert run_pixmill("serve", "--inbox", "elsewhere") == 0
    assert run_pixmill("serve", "--no-feedback", "--inbox", "elsewhere") == 0
    assert [settings.inbox for settings, _ in served] == [
        tmp_path / "inbox",
        Path("elsewhere"),
        None,
    ]
    assert served[0][0].root == tmp_path


def test_log_of_the_project(served, tmp_path: Path, capsys) -> None:
    (tmp_path / "params.yaml").touch()
    assert run_pixmill("serve") == 0
    assert recorded_logs(tmp_path) == []
    assert run_pixmill("serve", "--log", "log", "--log-sample", "0.5", "--shadow", "m") == 0
    (nothing, _), (settings, _) = served
    assert (nothing.log, nothing.shadow, settings.shadow) == (None, None, "m")
    settings.log.close()
    assert recorded_logs(tmp_path) == [tmp_path / "log"]
    assert run_pixmill("serve", "--shadow", "m") == 1
    assert "--shadow needs" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run_pixmill("serve", "--log", "file") == 1
    assert "file is not a folder" in capsys.readouterr().err


def test_rejects_a_remote_inbox(served, capsys) -> None:
    assert run_pixmill("serve", "--model", "m", "--inbox", "s3://photos/inbox") != 0
    assert "expected a local folder, received 's3://photos/inbox'" in capsys.readouterr().err


def test_other_hosts_need_a_key_or_warn(served, capsys, tmp_path: Path, monkeypatch) -> None:
    assert run_pixmill("serve", "--model", "m", "--host", "0.0.0.0") == 0
    assert "anyone who can reach 0.0.0.0 can use this server" in capsys.readouterr().err
    (tmp_path / "keys").write_text("a\n\n b \n")
    monkeypatch.setenv("PIXMILL_API_KEYS", "c, d,")
    assert run_pixmill("serve", "--model", "m", "--host", "0.0.0.0", "--api-keys", "keys") == 0
    assert capsys.readouterr().err == ""
    assert run_pixmill("serve", "--model", "m", "--proxy", "127.0.0.1") == 0
    assert [settings.hosts for settings, _ in served] == [None] * 3
    assert set(served[1][0].keys) == {"a", "b", "c", "d"}


def test_a_shared_link_has_the_only_key(served, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sharing, "lan_address", lambda: "192.168.1.5")
    assert run_pixmill("serve", "--model", "m", "--share") == 0
    ((settings, named),) = served
    named["ready"]("http://192.168.1.5:8000/")
    link, code = capsys.readouterr().out.split("\n", 1)
    assert (named["host"], settings.hosts) == ("192.168.1.5", None)
    assert link == f"http://192.168.1.5:8000/#key={settings.keys[0]}"
    assert len(settings.keys[0]) >= 32
    assert "█" in code


def test_shares_only_in_a_local_network(served, capsys, monkeypatch) -> None:
    class Probe(socket.socket):
        def connect(self, address: object) -> None:
            """Do nothing."""

        def getsockname(self) -> tuple[str, int]:
            return "8.8.8.8", 9

    monkeypatch.setattr(sharing.socket, "socket", Probe)
    assert run_pixmill("serve", "--model", "m", "--share") != 0
    assert "no address in a local network" in capsys.readouterr().err
    assert served == []


def test_rejects_an_empty_key_file(served, tmp_path: Path, capsys) -> None:
    (tmp_path / "keys").write_text("\n \n")
    assert run_pixmill("serve", "--model", "m", "--api-keys", "keys") != 0
    assert "has no key" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize("option", ["--workers=1.5", "--url-rate=-1", "--url-rate=x"])
def test_rejects_invalid_numbers(served, capsys, option: str) -> None:
    assert run_pixmill("serve", option) != 0
    assert "expected a whole number" in capsys.readouterr().err


def test_port_in_use_fails_before_loading(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_pixmill("serve", "--model", "no-such-model", "--port", str(port)) != 0
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "is_local"), [("", True), ("--host 0.0.0.0", False), ("--proxy 10.0.0.0/8", False)]
)
def test_only_this_machine_sees_training_images(
    options, is_local, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def stop(endpoints: Endpoints) -> None:
        seen.append(endpoints.is_local)
        raise PixmillError("stopped", next="nothing")

    monkeypatch.setattr(server, "create_app", stop)
    run_pixmill("serve", "--model", "m", "--no-feedback", "--port", "0", *options.split())
    assert seen == [is_local]
