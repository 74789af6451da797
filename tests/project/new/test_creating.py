"""`pixmill new` creates a valid project, or names the fix."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from pixmill import __version__
from pixmill.core.install.origin import Origin
from pixmill.core.install.pyproject import read_project
from pixmill.core.metadata import Facts, read_metadata
from pixmill.core.params import load_params
from pixmill.core.provenance.lock import installed_lock, read_lock
from pixmill.core.repository.merging import merge_problem
from pixmill.images.png import write_png
from pixmill.project.recipes.recipe import find_recipe
from tests.command import run_pixmill
from tests.disk import limit_file_size
from tests.version_control import dvc, git, start_repository

New = Callable[..., str]

WHEEL = f"wheels/pixmill-{__version__}-py3-none-any.whl"
"""The wheel of a project created from this checkout."""


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> New:
    """Return a function that runs `pixmill new` in an empty folder, and returns its output."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        return capsys.readouterr().err if run_pixmill("new", *words) else capsys.readouterr().out

    return run


@pytest.fixture
def dvc_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run DVC in this process, since it takes a second to start."""
    monkeypatch.setattr("pixmill.project.new.creating.dvc", dvc)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder of two classes, one of whose names has a space and an accent."""
    for label in ("cat", "chien méchant"):
        folder = tmp_path / "pets photos" / label
        folder.mkdir(parents=True)
        for number in range(40):
            pixels = np.random.default_rng([number, len(label)]).integers(
                0, 256, (40, 40), dtype=np.uint8
            )
            write_png(folder / f"{number}.png", pixels)
    return tmp_path / "pets photos"


def listed(folder: Path) -> list[str]:
    return sorted(
        filter(None, git(folder, "ls-files", "-o", "-c", "--exclude-standard", "-z").split("\0"))
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in listed(folder)}


def test_project_with_own_images(
    new: New,
    pets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = new(
        "my-pets",
        "--from",
        str(pets),
        "--remote",
        "storage",
        "--mlflow",
        "https://mlflow.example.org/a",
    )
    root = tmp_path / "my-pets"
    assert output.startswith("my-pets: a Git and DVC repository; your code goes into src/my_pets\n")
    assert "\nCopied 80 images: 40 of cat, 40 of chien méchant\n" in output
    assert "cd my-pets && dvc repro\n  git add -A && git commit" in output
    assert len(listed(root)) == 32
    assert (root / WHEEL).is_file()
    params = load_params(root)
    assert params.classes == ("cat", "chien méchant")
    assert params.scrape.source == ("folder",)
    assert params.train == find_recipe(root, "best").params().train
    text = (root / "params.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=params.schema.json\n")
    assert "  per_class: null           # maximum images per class; null: all\n" in text
    assert len(list((root / "data" / "chien méchant").iterdir())) == 40
    assert yaml.safe_load((root / "data.dvc").read_text())["outs"][0]["nfiles"] == 81
    assert read_project(root).mlflow == "https://mlflow.example.org/a"
    assert f"url = {tmp_path}/storage" in (root / ".dvc" / "config").read_text()
    lock = read_lock(root)
    assert lock is not None
    assert lock.digests == installed_lock().digests
    assert lock.origin == Origin(f"./{WHEEL}")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "Start")
    assert merge_problem(root) is None

    # Repeating the command restores missing files and changes nothing else.
    before = contents(root)
    for path in ("pixmill.lock", "data.dvc", "stages/train.py", "params.yaml"):
        (root / path).unlink()
    shutil.rmtree(root / "data")
    output = new("my-pets", "--from", str(pets), "--remote", "elsewhere")
    assert "Added: params.yaml, stages/train.py\n" in output
    assert "Ignored, because the project has its own: --remote\n" in output
    assert contents(root) == before
    monkeypatch.chdir(root)
    assert run_pixmill("doctor", "--quick") == 0
    assert "2 classes (cat, chien méchant); images from folder" in capsys.readouterr().out
    assert "No file was missing." in (
        output := new(
            ".", "--from", str(pets), "--classes", "cat,chien méchant", "--mlflow", "http://a"
        )
    )
    assert "Ignored, because the project has its own: --classes, --from, --mlflow\n" in output
    assert contents(root) == before


@pytest.mark.usefixtures("dvc_here")
def test_existing_repository_gets_missing_files(
    new: New,
    pets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = start_repository(tmp_path / "old_work", branch="trunk")
    shutil.copytree(pets, root / "data")
    own = {
        "README.md": "# Ours\n",
        ".gitignore": "/data\n*.log\n",
        "pyproject.toml": '[project]\nname = "ours"\n',
    }
    own["requirements.txt"] = "flask\n"
    for path, text in own.items():
        (root / path).write_text(text)
    monkeypatch.chdir(root)
    git(root, "add", "-f", "data")
    refused = new(".")
    assert (
        "data/ is in Git, but DVC must version the images\nNext: git rm -r -q --cached data && "
        "git "
        "commit"
    ) in refused
    assert sorted(path.name for path in root.iterdir()) == [
        ".git",
        ".gitignore",
        "README.md",
        "data",
        *sorted(own)[2:],
    ]
    git(root, "rm", "-r", "-q", "--cached", "data")
    output = new(".")
    assert "Kept as they were: .gitignore, README.md, pyproject.toml, requirements.txt\n" in output
    assert "CI needs hashes in requirements.txt: " in output
    assert (
        "Add these lines to .gitignore before you commit:\n  /.dvc/config.local\n  /.dvc/tmp\n"
        in output
    )
    assert (
        f"Pixmill is in ./{WHEEL}: pip install -c constraints.txt './{WHEEL}[pipeline]' -e .\n"
        in output
    )
    assert {path: (root / path).read_text() for path in own} == own
    assert load_params(root).classes == ("cat", "chien méchant")
    assert "src/ours/scrape/__init__.py" in listed(root)
    assert (root / ".git" / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    (root / ".gitattributes").write_text("* -text\n")
    assert "  data.dvc merge=pixmill-images\n  decisions.csv merge=pixmill-decisions\n" in new(".")


@pytest.mark.usefixtures("dvc_here")
def test_full_disk_can_be_resumed(new: New, pets: Path, tmp_path: Path) -> None:
    with (pets / "cat" / "0.png").open("ab") as file:
        file.write(bytes(2**21))
    with limit_file_size(2**19):
        output = new("pets", "--from", str(pets))
    assert output.endswith(
        "Next: raise the limit (ulimit -f), then: repeat the command (finished work is kept)\n"
    )
    assert "dvc repro" in new("pets", "--from", str(pets))
    assert (tmp_path / "pets" / "pixmill.lock").exists()


def test_errors_of_git_and_dvc_then_empty_class_folders(
    new: New,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = tmp_path_factory.mktemp("settings")
    (settings / "config").write_text("[core")
    with monkeypatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(settings / "config"))
        output = new("pets", "--classes", "cat,dog")
    assert "git init failed: fatal: bad config line 2" in output
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(settings))
    assert "`dvc add data` failed; its message is above\nNext: dvc add data\n" in new(
        "pets", "--classes", "cat,dog"
    )
    (settings / "config").unlink()
    output = new("pets", "--classes", "cat,dog")
    assert (
        "put images into data/cat, data/dog, or set scrape.source\n  pixmill doctor --quick && "
        "dvc "
        "repro\n"
    ) in output
    assert (tmp_path / "pets" / "data.dvc").exists()


def test_missing_git(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert new("pets", "--demo") == (
        "pixmill: the program git is not on PATH\nNext: install Git, then repeat the command\n"
    )


def test_demo_uses_the_shop_if_a_browser_is_available(
    new: New, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = (repository / "params.yaml").read_text().replace("$schema=docs/reference/", "$schema=")
    for name, browser, source in (
        ("first", "PIXMILL_WEBDRIVER_URL", "shop"),
        ("second", "PIXMILL_BROWSER", "folder"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.dvc").write_text("as if all were there")
        with monkeypatch.context() as patch:
            patch.setenv(browser, "/nowhere")
            patch.chdir(tmp_path / name)
            new(".", "--demo")
        assert (tmp_path / name / "params.yaml").read_text() == ours.replace(
            "shop  ", source.ljust(6), 1
        )


@pytest.mark.parametrize(
    ("words", "message", "next_steps"),
    [
        (["pets"], "which images? Choose one option:\n  --demo ", "repeat"),
        (["pets", "--recipe", "bets"], "no such recipe: 'bets'; did you mean 'best'", "list them"),
        (
            ["pets", "--classes", "cat"],
            "classes: expected a list of at least 2",
            "correct --classes",
        ),
        (
            ["pets", "--classes", "cat,dog", "--dry-run"],
            "--dry-run shows images to copy",
            "add --from",
        ),
        (
            ["pets", "--from", "labelled", "--dry-run"],
            "received 'bus' and 'Bus'",
            "correct --classes, or",
        ),
        (["pets", "--demo", "--from", "pets photos"], "--demo has its own images", "omit"),
        (["pets", "--from", "."], "overlap", "choose a folder outside"),
        (
            ["pets photos/cat/0.png/pets", "--demo"],
            "photos/cat/0.png is a file",
            "choose another name",
        ),
        (
            ["full", "--demo"],
            "full exists and is not empty",
            "cd full && pixmill new . (with the same options",
        ),
        (
            ["lic", "--from", "pets photos"],
            "lic exists and is not empty",
            "cd lic && pixmill import '../pets photos'",
        ),
        (["full/own/pets", "--demo"], "is inside the Git repository", "choose a folder outside"),
        (
            ["pets", "--demo", "--mlflow", "mlflow.db"],
            "expected the URL of a server",
            "give one such as https://",
        ),
        (["pets", "--demo", "--pixmill", "full"], "full: expected the URL", "pip wheel --no-deps"),
        (
            ["pets", "--demo", "--pixmill", f"git+https://me:key@a.org/b@{'0b' * 20}"],
            "URL contains credentials, which would be committed",
            "give the URL",
        ),
    ],
)
def test_invalid_options_write_nothing(
    words: list[str], message: str, next_steps: str, new: New, pets: Path, tmp_path: Path
) -> None:
    start_repository(tmp_path / "full" / "own")
    for label in ("bus", "Bus"):
        shutil.copytree(pets / "cat", tmp_path / "labelled" / label)
    (tmp_path / "lic").mkdir()
    (tmp_path / "lic" / "pixmill.lock").touch()
    before = sorted(tmp_path.rglob("*"))
    output = new(*words)
    assert message in output
    assert f"\nNext: {next_steps}" in output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("dvc.yaml", "stages: {a: {cmd: 'true'}}\n", "belongs to another pipeline"),
        ("params.yaml", "lr: 0.1\n", "params.yaml is not valid:\nclasses: expected"),
        (
            "data/cat/deep/1.png",
            "\x89PNG\r\n\x1a\n",
            "some images in data/ are in neither data/<class>/",
        ),
    ],
)
def test_unsuitable_folder_is_unchanged(
    path: str, text: str, message: str, new: New, tmp_path: Path
) -> None:
    (tmp_path / "data" / "dog").mkdir(parents=True)
    for file in (path, "data/cat/1.png", "data/dog/1.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(
            text if file == path else "\x89PNG\r\n\x1a\n", encoding="latin-1", newline=""
        )
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ours"\n')
    assert message in new(".")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "pyproject.toml"])


@pytest.mark.usefixtures("dvc_here")
def test_a_dry_run_warns_as_the_run_does(new: New, pets: Path) -> None:
    for number in range(15):
        (pets / "cat" / f"{number}.png").unlink()
    write_png(pets / "cat" / "39.png", np.zeros((8, 8), np.uint8))

    def warnings(*words: str) -> list[str]:
        lines = new("my-pets", "--from", str(pets), *words).splitlines()
        return [line.partition(": ")[0] for line in lines if "validate" in line]

    found = warnings("--dry-run")
    assert len(found) == 2
    assert warnings() == found


@pytest.mark.usefixtures("dvc_here")
def test_several_labels_without_images_and_with_those_in_data(
    new: New, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new("shop", "--classes", "dark,long", "--task", "labels")
    params = load_params(tmp_path / "shop")
    assert (params.task, params.classes) == ("labels", ("dark", "long"))
    assert (tmp_path / "shop/data/dark").is_dir()
    monkeypatch.chdir(pets)
    (pets / "data").mkdir()
    (pets / "cat").rename(pets / "data/images")
    shutil.rmtree(pets / "chien méchant")
    rows = [f"images/{n}.png,{('dark;long', 'dark', 'long')[n % 3]}" for n in range(40)]
    table = "\n".join(["file_name,label", *rows])
    (pets / "data/metadata.csv").write_text(table)
    assert "--unlisted" in new(".", "--task", "labels")
    new(".", "--task", "labels", "--unlisted", "no")
    params = load_params(pets)
    assert (params.task, params.classes) == ("labels", ("dark", "long"))
    facts = read_metadata(pets / "data")
    assert facts["images/0.png"] == Facts("dark;long")
    assert facts["images/1.png"] == Facts("dark", not_label="long")


def test_classes_recipe_and_origin(
    new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = f"git+https://example.org/pixmill.git@{'0b' * 20}"
    for name in ("pets", "dogs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.dvc").write_text(
            "outs: [{md5: d751713988987e9331980363e24189ce.dir, path: data}]"
        )
    monkeypatch.chdir(root := tmp_path / "pets")
    new(".", "--classes", "cat, dog", "--recipe", "finetune", "--pixmill", commit)
    params = load_params(root)
    assert (params.classes, params.train.model) == (("cat", "dog"), "backbone")
    assert f'"pixmill[pipeline] @ {commit}"' in (root / "pyproject.toml").read_text()
    assert f'install: "pixmill @ {commit}"\n' in (root / "pixmill.lock").read_text()
    assert not (root / "wheels").exists()
    assert "own: --pixmill\n" in new(".", "--pixmill", commit)
