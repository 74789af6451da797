"""The command line: help, errors and speed."""

import base64
import os
import re
import shlex
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from importlib import import_module
from keyword import iskeyword
from pathlib import Path

import pytest

from pixmill import __version__, cli
from pixmill.cli import GROUPS, VERBS, make_parser
from pixmill.core.provenance.lock import installed_lock, write_lock
from pixmill.dataset.columns import to_option
from tests.command import run_pixmill

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAEnNCcKAAAAAElFTkSuQmCC"
)
"""One black pixel; appended bytes make another file."""


def test_help_lists_the_verbs_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pixmill() == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^(\w+):$", shown, re.MULTILINE) == [*GROUPS, "options", "examples"]
    assert tuple(re.findall(r"^  ([a-z]+)   +\w", shown, re.MULTILINE)) == VERBS
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", VERBS)
def test_examples_are_valid(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    examples = getattr(import_module(f"pixmill.cli.{name}{'_' * iskeyword(name)}"), "EXAMPLES", ())
    commands = [shlex.split(command) for command, _ in examples]
    for words in commands:
        if "pixmill" in words:
            start = words.index("pixmill") + 1
            make_parser().parse_args(
                words[start : words.index("|", start) if "|" in words[start:] else None]
            )
    assert run_pixmill(name, "--help") == 0
    assert all(command in capsys.readouterr().out for command, _ in examples[-1:])


def test_suggests_a_mistyped_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pixmill("dcotor") == 2
    assert "no such command: 'dcotor'; did you mean 'doctor'?" in capsys.readouterr().err


def test_unknown_option_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pixmill("predict", "photo.jpg", "--cvs", "x") == 2
    assert capsys.readouterr().err == (
        "pixmill predict: unrecognized arguments: --cvs x\nNext: pixmill predict --help\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        *("compare", "doctor", "export html", "forget x", "import x", "models", "new .", "params"),
        *(
            "open --no-open",
            "predict dvc.yaml",
            "promote",
            "review --no-open",
            "rollback",
            "scrape",
        ),
        *("serve", "summary", "sweep", "trace x", "upgrade", "use", "watch x", "clean", "demo"),
    ],
)
def test_no_command_follows_a_link_of_a_branch(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    (project / ".pixmill/open").mkdir(parents=True)
    (project / "dvc.yaml").write_text("stages: {train: {cmd: x}}  # stages.train")
    (project / ".pixmill/open/predictions").symlink_to(tmp_path)
    monkeypatch.chdir(project)
    assert run_pixmill(*words.split()) > 0
    assert "is a symbolic link, and files in .pixmill/" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [project]


def test_check_accepts_the_committed_params(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository / "src" / "pixmill")  # a folder within the project
    assert run_pixmill("doctor", "--quick") == 0
    assert "ok       params " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("check", "doctor --quick"),
        ("browser", "doctor browser"),
        ("browser --install", "doctor --fix browser"),
        ("sync", "doctor --fix mlflow"),
        ("data", "demo"),
        ("shop --port x", "demo --shop --port x"),
    ],
)
def test_a_former_command_does_the_same(
    former: str, now: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []
    monkeypatch.setattr(
        cli.Parser, "parse_args", lambda _, words: calls.append(words) or Namespace()
    )
    run_pixmill(*former.split())
    assert calls == [now.split()]
    assert capsys.readouterr().err.count("is now: pixmill") == 1


def test_check_compares_the_installation_with_the_lock(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    lock = installed_lock()
    write_lock(tmp_path, replace(lock, version="0.0.9"))
    run_pixmill("doctor", "--quick")
    assert f"pixmill {__version__} gives the same results as 0.0.9" in capsys.readouterr().out
    write_lock(tmp_path, replace(lock, version="0.0.9", digests={**lock.digests, "train": "0"}))
    assert run_pixmill("doctor", "--quick") == 1
    assert "Next: pixmill upgrade, or to stay with 0.0.9: " in capsys.readouterr().out


def test_check_reports_missing_and_unknown_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text(
        "classes: [coat, hat]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run_pixmill("doctor", "--quick") == 0
    assert f"{tmp_path / 'data'} is missing; " in capsys.readouterr().out
    for name in ("coat", "hats"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for place in range(40):
            (tmp_path / "data" / name / f"{place}.png").write_bytes(
                PNG + f"{name} {place}".encode()
            )
    assert run_pixmill("doctor", "--quick") == 1
    error = capsys.readouterr().out
    assert "not among the classes of params.yaml: hats" in error
    assert "data/hat is missing" in error
    assert "put images there, or set classes to the folders with images: coat, hats" in error
    (tmp_path / "data" / "hats").rename(tmp_path / "data" / "hat")
    assert run_pixmill("doctor", "--quick") == 0
    assert "data/hat" not in capsys.readouterr().out


@pytest.mark.parametrize("words", ["params", "doctor --quick", "--help", "params --nope"])
def test_a_closed_pipe_ends_quietly(words: str, repository: Path) -> None:
    command = [sys.executable, "-m", "pixmill", *words.split()]
    with subprocess.Popen(
        command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert "Error" not in errors
    assert process.returncode == (2 if words == "params --nope" else 0)


def test_a_large_output_into_a_closed_pipe_ends_quietly() -> None:
    script = "from pixmill import cli; cli._run = lambda _: print('x' * 10**6); cli.main()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert (process.returncode, errors) == (0, "")


def test_another_broken_pipe_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: object) -> None:
        raise BrokenPipeError("a worker")

    monkeypatch.setattr(cli, "_run", run)
    with pytest.raises(BrokenPipeError, match="a worker"):
        cli.main([])


_ENTRANCES = {
    "verb": "from pixmill.cli import main; main(['params'])",
    "stage": (
        "from pixmill.core.process.stage import run; run('split', lambda _, params: "
        "print(params.classes))"
    ),
}


@pytest.mark.parametrize("entrance", _ENTRANCES)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_shows_any_class_in_any_encoding(
    entrance: str, encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text(
        "classes: [café, โต๊ะ]\nscrape: {snapshot: '2026-11-20'}\n", "utf-8"
    )
    command = [sys.executable, "-c", _ENTRANCES[entrance]]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    shown = done.stdout.decode(encoding)
    assert ("caf\\xe9" if encoding == "ascii" else "café") in shown
    assert "\\u0e42" in shown


@pytest.mark.parametrize("verb", ["compare", "demo", "doctor", "open", "review", "summary"])
def test_verbs_write_nothing_outside_a_project(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_pixmill(verb) == (2 if verb == "compare" else 1)  # 1 means a failing gate
    assert "is not in a project" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_use_lists_recipes_outside_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_pixmill("use") == 0
    output = capsys.readouterr().out
    assert "\nbest " in f"\n{output}"
    assert output.endswith("Next: pixmill new NAME --recipe RECIPE\n")
    assert run_pixmill("use", "best") == 1


@pytest.fixture
def project(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a few files of two classes, and the current folder."""
    for label in ("boot", "hat"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "0.png").write_bytes(b"x")
    (tmp_path / "params.yaml").write_text(
        "classes: [boot, hat]\nscrape: {snapshot: '2026-11-20', source: folder}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_scrape_dry_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pixmill("scrape", "--dry-run") == 0
    assert capsys.readouterr().out == (
        "boot: folder data/boot (on this machine)\nhat: folder data/hat (on this machine)\n"
        "Nothing to visit: everything has been fetched or is on this machine.\n"
    )
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(
        text.replace("source: folder", "source: [bing, openverse], per_query: 100")
    )
    assert run_pixmill("scrape", "--dry-run") == 0
    output = capsys.readouterr().out
    assert (
        "boot: bing https://www.bing.com/images/search?q=boot&form=HDRSC2&first=1 (to visit)\n"
        in output
    )
    assert output.endswith(
        "Estimated time: about 1 minute, if sites respond as usual and robots.txt allows it.\n"
    )
    assert not (project / ".pixmill" / "scrape" / "evidence").exists()


@pytest.mark.slow
@pytest.mark.browser
def test_scrape_probe(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pixmill("scrape", "--probe", "shop", "hat") == 0
    output = capsys.readouterr().out
    assert "selectors.item:\n" in output
    assert re.search(
        r"^to edit shop.yaml: mkdir -p sites && cp /\S+/sites/shop\.yaml sites/$",
        output,
        re.MULTILINE,
    )
    assert "article.card[data-product-id]" in output
    assert (project / ".pixmill/scrape/probe/shop/page.html").is_file()
    assert (project / ".pixmill/scrape/probe/shop/page.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--probe", "folder", "hat"), "the source 'folder' has no results page to probe"),
        (("--probe", "site:ebay", "hat"), "there is no site 'ebay'"),
        ((), "Next: dvc repro scrape"),
    ],
)
def test_scrape_rejects_sources_without_results_pages(
    arguments: tuple[str, ...], message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_pixmill("scrape", *arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("port", ["web", "-1", "65536", "8_000"])
def test_rejects_invalid_ports(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pixmill("demo", f"--port={port}") == 2
    assert (
        f"expected a port from 0 to 65535, received '{port}'\nNext: pixmill demo --help"
        in capsys.readouterr().err
    )


def test_help_imports_nothing_heavy() -> None:
    heavy = [
        "tensorflow",
        "keras",
        "mlflow",
        "great_expectations",
        "selenium",
        "pandas",
        "numpy",
        "pydantic",
        "sklearn",
    ]
    script = (
        "import sys\nfrom pixmill.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_is_fast() -> None:
    # Processor time, independent of the load of the machine.
    times = []
    for _ in range(3):
        start = _seconds_of_children()
        subprocess.run([sys.executable, "-m", "pixmill", "--help"], capture_output=True, check=True)
        times.append(_seconds_of_children() - start)
    assert min(times) < 0.5


def _seconds_of_children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def test_a_proposed_option_chooses_columns_with_commas() -> None:
    roles = {"image": "id", "label": 'breed, or "kind"'}
    words = shlex.split(to_option(roles))
    assert make_parser().parse_args(["import", "x.csv", *words]).columns == roles


def test_rejects_an_inbox_in_scratch(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in ("review", "serve"):
        assert run_pixmill(verb, "--inbox", ".pixmill/inbox") == 2
        assert (
            ".pixmill/inbox is in .pixmill/, which may be deleted: choose another folder"
            in capsys.readouterr().err
        )
