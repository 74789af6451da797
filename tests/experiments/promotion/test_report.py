"""Versions on a terminal and as JSON."""

import json

from pixmill.cli.summary import summary
from pixmill.experiments.promotion.report import read_champion
from pixmill.project.state import read_project_state
from pixmill.tracking.rolling_back import roll_back
from tests.command import run_pixmill
from tests.experiments.promotion.projects import NAME


def test_no_versions(project, workspace, capsys):
    assert run_pixmill("models", "--name", "the shoes") == 0
    assert capsys.readouterr().out == "the shoes has no version in MLflow.\nNext: pixmill promote --name 'the shoes'\n"
    assert read_champion(workspace) is None


def test_table_and_json(champion, give, registry, workspace, capsys):
    registry.register("s3://bucket/model", run=None, model_id=None, tags={})
    give("better", because="more coats")
    roll_back(workspace, because="it is slow")
    assert run_pixmill("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop(7) == "      registered by another tool"
    assert lines.pop(6).split()[0] == "2"
    assert lines[2].split() == ["version", "alias", "since", "verdict", "gate", "macro-F1", "(CI)", "MB"]
    assert lines[3].split()[0] == "3"
    assert lines[4].endswith("accuracy 1.000 (0.980 to 1.020), promoted by Ada: more coats")
    assert lines[5].startswith("      rolled back to version 1 on 20")
    assert lines[5].endswith(" by Ada: it is slow")
    assert lines[6].split()[:2] == ["1", "champion"]
    assert lines[8].startswith("      in production again instead of version 3 on 20")
    assert read_champion(workspace).describe().endswith(", by Ada")
    assert run_pixmill("models", "--json") == 0
    second, _, first = json.loads(capsys.readouterr().out)["versions"]
    assert (second["aliases"], second["replaces"], second["because"]) == ([], 1, "more coats")
    assert (first["aliases"], first["came_back"]["version"], first["taken_back"]) == (["champion"], 3, None)
    assert (second["taken_back"]["version"], second["taken_back"]["because"]) == (1, "it is slow")
    assert first["since"] == first["came_back"]["at"] >= first["promoted"]
    assert second["metrics"]["accuracy"] == [1.0, 0.98, 1.02]


def test_command_promotes_and_rolls_back(project, capsys):
    assert run_pixmill("promote") == 0
    assert f"Promoted: champion of {NAME} is version 1." in capsys.readouterr().out
    assert run_pixmill("promote", "worse") == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("Worse, notably on class coat")
    assert printed.err.startswith("pixmill: not promoted: it is worse than version 1\nNext: if it must be: ")
    assert (project / "reports" / "promote.md").read_text().startswith("**Not promoted: it is worse than version 1**")
    assert (project / "reports" / "compare.html").exists()
    assert run_pixmill("promote", "better", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["replaces"], document["moved"], document["verdict"]) == (2, 1, True, "better")
    assert (project / "reports" / "promote.md").read_text().startswith("**Promoted: champion of garments is version 2")
    assert run_pixmill("rollback", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": NAME, "alias": "champion", "number": 1, "former": 2, "previous": None, "warnings": [],
    }  # fmt: skip
    assert run_pixmill("promote", "--force") == 2
    assert "--force needs --because" in capsys.readouterr().err
    # The outcome of an earlier command is removed.
    assert run_pixmill("promote", "nowhere") == 1
    assert not (project / "reports" / "promote.md").exists()


def test_summary_names_the_champion(champion, project):
    text = summary(read_project_state(project))
    assert f"  In production: {NAME} version 1, since " in text
    assert "The results cannot be shown: plots/evaluate/full.json lacks 'baseline' (dvc repro -f evaluate)" in text
