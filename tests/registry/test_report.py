"""What the command tells of versions, on a terminal and as JSON, and of a server."""

import json

import pytest

from pixmill.registry.report import read_champion
from pixmill.registry.rolling_back import roll_back
from tests.command import run_pixmill
from tests.registry.projects import NAME
from tests.servers import Handler, serve


def test_nothing_is_promoted_yet(project, workspace, capsys):
    assert run_pixmill("models") == 0
    assert capsys.readouterr().out == f"{NAME} has no version in MLflow.\nNext: pixmill promote\n"
    assert read_champion(workspace) is None


def test_the_table(give, workspace, capsys):
    give()
    give("better", because="more coats")
    roll_back(workspace, because="it is slow")
    assert run_pixmill("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["version", "alias", "since", "verdict", "gate", "macro-F1", "(CI)", "MB"]
    assert lines[3].split()[0] == "2"
    assert lines[4].endswith("accuracy 1.000 (0.980 to 1.020), by Ada: more coats")
    assert lines[5].split()[:2] == ["1", "champion"]
    assert " ".join(" ".join(lines[6:]).split()).endswith("came back instead of version 2, by Ada: it is slow")
    assert read_champion(workspace).describe().endswith(", by Ada")
    assert run_pixmill("models", "--json") == 0
    second, first = json.loads(capsys.readouterr().out)["versions"]
    assert (second["aliases"], second["replaces"], second["because"]) == ([], 1, "more coats")
    assert (first["aliases"], first["rolled_back_from"], first["because"]) == (["champion"], 2, "it is slow")
    assert second["comparison"]["verdict"] == "better"
    assert second["metrics"]["accuracy"] == [1.0, 0.98, 1.02]


def test_versions_of_other_tools_and_with_odd_tags(registry, runs, project, capsys):
    registry.register("s3://bucket/model", run=None, model_id=None, tags={"pixmill.recorded": "[1", "note": "by hand"})
    registry.register(
        "s3://bucket/model",
        run=None,
        model_id=None,
        tags={"pixmill.recorded": '{"macro_f1": ["x", null, 1], "megabytes": NaN}', "pixmill.replaces": "\u00b2"},
    )
    registry.move("champion", 2)
    assert run_pixmill("models") == 0
    out = capsys.readouterr().out
    assert out.count("registered by another tool") == 2
    assert run_pixmill("models", "--json") == 0


def test_the_command_promotes_writes_and_rolls_back(project, capsys):
    assert run_pixmill("promote") == 0
    assert f"Promoted: champion of {NAME} is version 1." in capsys.readouterr().out
    assert run_pixmill("promote", "worse") == 1
    said = capsys.readouterr()
    assert said.out.startswith("Worse: macro-F1 falls")
    assert said.err.startswith("pixmill: not promoted: Worse")
    assert (project / "reports" / "promote.md").read_text().startswith("**not promoted: Worse: macro")
    assert (project / "reports" / "compare.html").exists()
    assert run_pixmill("promote", "better", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["replaces"], told["moved"], told["verdict"]) == (2, 1, True, "better")
    assert (project / "reports" / "promote.md").read_text().startswith("**Promoted: champion of garments is version 2")
    assert run_pixmill("rollback", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": NAME, "alias": "champion", "number": 1, "former": 2, "previous": None,
    }  # fmt: skip
    assert run_pixmill("promote", "--force") == 2
    assert "--force needs --because" in capsys.readouterr().err


class Answering(Handler):
    """A server of models that answers what the test wants."""

    told: bytes = b""

    def respond(self) -> None:
        if self.headers["Authorization"] != "Bearer secret":
            self.answer(b"{}", 401)
            return
        self.answer(self.told, 200 if self.path == "/v1/model" else 404, "application/json")


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        (b'{"name": "garments", "version": "1"}', 0, "serves garments version 1, which is champion."),
        (b'{"name": "garments", "version": "7"}', 1, "serves garments version 7; champion is version 1 of garments."),
        (b'{"name": "shoes", "version": null}', 1, "serves shoes, which has no version; champion is version 1"),
        (b"[1]", 1, "is no server of pixmill serve"),
        (b"<html>", 1, "does not respond as a server does"),
    ],
)
def test_what_a_server_answers_with(give, project, capsys, monkeypatch, told, code, words):
    give()
    capsys.readouterr()
    (project / ".pixmill").mkdir(exist_ok=True)
    keys = project / ".pixmill" / "keys.txt"
    keys.write_text("secret\n")
    monkeypatch.setattr(Answering, "told", told)
    with serve(Answering) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        assert run_pixmill("models", "--serving", url, "--api-key-file", str(keys)) == code
        said = capsys.readouterr()
        assert words in said.out + said.err
        assert run_pixmill("models", "--serving", url) == 1
        assert "responds with 401" in capsys.readouterr().err
    assert run_pixmill("models", "--serving", url) == 1
    assert "does not respond" in capsys.readouterr().err
    assert run_pixmill("models", "--serving", "garments") == 1


def test_the_summary_names_the_champion(give, project, capsys):
    give()
    from pixmill.cli.summary import _champion

    assert _champion(project).startswith(f"{NAME} version 1, since ")
