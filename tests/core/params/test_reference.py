"""Every param is explained in one place, and the generated files say the same."""

import json
import runpy
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from pixmill.core.params.reference import current_params, reference, schema
from tests.command import run_pixmill
from tests.project.recipes.test_recipes import NAMES

ROOT = Path(__file__).parents[3]


def test_a_param_says_what_it_means() -> None:
    for item in reference():
        assert item.meaning.endswith("."), item.name
        assert not item.expected.startswith(("a list", "a mapping")) or item.example is not None, (
            item.name
        )


def test_the_generated_files_are_up_to_date() -> None:
    # Where this fails: make reference
    script = runpy.run_path(str(ROOT / ".ci" / "reference.py"))
    for file, text in (
        ("params.md", script["params_page"]()),
        ("params.schema.json", schema()),
        ("commands.md", script["commands_page"]()),
    ):
        assert (ROOT / "docs" / "reference" / file).read_text(encoding="utf-8") == text, file


FILES = ["params.yaml", *(f"src/pixmill/project/recipes/{name}.yaml" for name in NAMES)]


@pytest.mark.parametrize("path", FILES)
def test_editors_accept_the_files(path: str) -> None:
    jsonschema.Draft202012Validator(json.loads(schema())).validate(
        yaml.safe_load((ROOT / path).read_text("utf-8"))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["coat", "a\tb"]},
        {"classes": ["coat", "dress "]},
        {"train": {"epoch": 3}},
        {"train": {"epochs": "many"}},
        {"scrape": {"source": "web", "snapshot": "2026-11-20"}},
    ],
)
def test_editors_mark_what_is_wrong(change) -> None:
    content = {
        "classes": ["größe", "weite"],
        "scrape": {"snapshot": "2026-11-20", "source": ["bing", "site:a"]},
    }
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    assert validator.is_valid(content)
    assert not validator.is_valid(content | change)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    text = (tmp_path / "params.yaml").read_text("utf-8").replace("seed: 7", "seed: 8\n  minutes: 5")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_values_say_whether_the_file_or_the_default_speaks(project: Path) -> None:
    found = {item.name: item for item in current_params(project)}
    assert (
        found["train.seed"].value,
        found["train.seed"].in_file,
        found["train.seed"].changed,
    ) == (8, True, True)
    assert (found["train.epochs"].in_file, found["train.epochs"].changed) == (True, False)
    assert (found["train.momentum"].value, found["train.momentum"].in_file) == (0.9, False)
    assert [item.name for item in current_params(project, ["train.schedule"])] == [
        f"train.schedule.{key}" for key in ("name", "warmup", "factor", "patience", "floor")
    ]


def test_the_command_prints_a_param_with_its_meaning(project: Path, capsys) -> None:
    assert run_pixmill("params", "train.minutes") == 0
    assert capsys.readouterr().out.splitlines() == [
        "train.minutes  5.0                       params.yaml",
        "  Time budget in minutes, which breaks bit-for-bit reproducibility; null: none.",
        "  a number > 0 and <= 43,200 or null; default: null",
    ]
    assert run_pixmill("params", "--changed") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "classes", "scrape.snapshot", "train.minutes", "train.seed",
    ]  # fmt: skip
    assert run_pixmill("params", "train.seed", "--json") == 0
    assert json.loads(capsys.readouterr().out)["train.seed"]["value"] == 8
