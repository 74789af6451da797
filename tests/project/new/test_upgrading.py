"""An upgrade lists its changes, rewrites unedited files, and completes an interrupted one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pixmill import __version__
from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import Origin
from pixmill.core.provenance.lock import Lock, installed_lock, read_lock, text_digest, write_lock
from pixmill.core.repository.merging import merge_problem
from pixmill.project.new import upgrading
from pixmill.project.new.supply import Supply
from pixmill.project.new.template import SCHEMA, managed_files, render
from pixmill.project.new.upgrading import apply_upgrade, plan_upgrade
from tests.command import run_pixmill
from tests.version_control import commit, start_repository

CHANGELOG = """# Changelog

## Unreleased

- not yet

## 0.0.10 (2026-12-01)

- now

## 0.0.9 (2026-11-01)

- then

## 0.0.8 (2026-10-01)

- before
"""


INDEX, OLD = (Origin(f"pixmill=={version}#sha256={'0' * 64}") for version in (__version__, "0.0.8"))


@pytest.fixture(scope="module")
def installed() -> Lock:
    return installed_lock()


@pytest.fixture
def origin() -> Origin:
    """Origin of the running Pixmill."""
    return INDEX


@pytest.fixture
def project(
    tmp_path: Path, installed: Lock, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project of pixmill 0.0.8 with other defaults, another Makefile and an additional file."""
    root = tmp_path / "shoes"
    resources = tmp_path / "package"
    resources.mkdir()
    (resources / "CHANGELOG.md").write_text(CHANGELOG)
    monkeypatch.setattr(upgrading, "files", lambda package: {"pixmill": resources}[package])
    monkeypatch.setattr(upgrading, "installed_lock", lambda: installed)
    monkeypatch.setattr(upgrading, "running_origin", lambda: origin)
    monkeypatch.setattr(upgrading, "find_supply", lambda: Supply(origin))
    texts = render("shoes", "shoes", Supply(OLD))
    schema = json.loads(texts[SCHEMA])
    schema["properties"]["train"]["default"]["batch_size"] = 8
    schema["properties"]["train"]["default"]["momentum"] = 0.8
    schema["properties"]["train"]["default"]["features"]["old"] = None
    del schema["properties"]["evaluate"]["default"]["top_k"]
    del schema["$defs"]["EvaluateParams"]["properties"]["top_k"]
    texts |= {
        SCHEMA: json.dumps(schema),
        "Makefile": "all:\n",
        "old.cfg": "x\n",
        "dvc.yaml": texts["dvc.yaml"] + "\n",
    }
    texts["pyproject.toml"] = texts["pyproject.toml"].replace("==0.0.8", "==0.0.*")
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    template = {path: text_digest(text) for path, text in managed_files(texts).items()}
    digests = {**installed.digests, "train": "0" * 16}
    write_lock(root, Lock("0.0.8", digests, template, OLD))
    monkeypatch.chdir(root)
    return root


def files_of(root: Path) -> dict[str, str]:
    paths = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def test_upgrade_lists_and_applies_changes(
    project: Path, installed: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "data.dvc").touch()
    commit(start_repository(project))
    before = files_of(project)
    assert run_pixmill("upgrade", "--check") == 1
    assert files_of(project) == before
    shown = capsys.readouterr()
    assert "Next: pixmill upgrade" in shown.err
    assert run_pixmill("upgrade") == 0
    assert (
        capsys.readouterr().out
        == shown.out + "Next: pixmill doctor --quick && dvc repro, then commit all changes\n"
    )
    for line in (
        f"pixmill 0.0.8 -> {__version__}",
        "Will run again, because code or defaults changed: train",
        "Default: train.batch_size 8 -> 32 (params.yaml has its own value)",
        "Default: train.momentum 0.8 -> 0.9",
        "New param: evaluate.top_k, default 2",
        "Removed param: train.features.old",
        "## 0.0.10 (2026-12-01)",
        "- then",
        "Rewrite: Makefile",
        "Remove: old.cfg",
        f"Change: pyproject.toml now requires pixmill=={__version__}",
    ):
        assert line in shown.out.splitlines()
    assert not {"- before", "- not yet"} & set(shown.out.splitlines())
    after = files_of(project)
    rendered = render("shoes", "shoes", Supply(INDEX))
    assert after.items() >= managed_files(rendered).items()
    assert after["pyproject.toml"] == rendered["pyproject.toml"]
    assert after.keys() == before.keys() - {"old.cfg"}
    lock = read_lock(project)
    assert lock is not None
    assert (lock.version, lock.digests) == (installed.version, installed.digests)
    assert merge_problem(project) is None
    assert run_pixmill("upgrade", "--check") == 0
    assert capsys.readouterr().out == f"The project is up to date with pixmill {__version__}.\n"


def test_rewrites_the_script_without_scraping_again(project: Path) -> None:
    script = project / "stages/scrape.py"
    lock = project / "dvc.lock"
    old = script.read_text().replace("pixmill.scrape.stage", "pixmill.pipeline.scrape")
    script.write_text(old)
    written = read_lock(project)
    assert written is not None
    write_lock(
        project,
        replace(written, template={**written.template, "stages/scrape.py": text_digest(old)}),
    )
    entry = (
        "stages:\n  scrape:\n    deps:\n    - path: stages/scrape.py\n      hash: md5\n      "
        "md5: {}\n      size: {}\n"
    )
    lock.write_text(entry.format(hashlib.md5(old.encode()).hexdigest(), len(old)))
    assert next(iter(plan_upgrade(project).texts)) == "dvc.lock", (
        "a kill after the script would lose its old digest"
    )
    assert run_pixmill("upgrade") == 0
    new = script.read_bytes()
    assert b"pixmill.scrape.stage" in new
    assert lock.read_text() == entry.format(hashlib.md5(new).hexdigest(), len(new))


def test_edited_and_deleted_files_stay(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("Makefile", "old.cfg", "MLproject"):
        with (project / path).open("a") as file:
            file.write("# ours\n")
    (project / "dvc.yaml").unlink()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "shoes"\ndependencies = ["pixmill-plus==1"]\n'
    )
    before = files_of(project)
    assert run_pixmill("upgrade") == 0
    after = files_of(project)
    shown = capsys.readouterr().out
    rendered = render("shoes", "shoes", Supply(INDEX))
    assert {
        path: after[path] for path in ("Makefile", "old.cfg", "MLproject", "pyproject.toml")
    } == {path: before[path] for path in ("Makefile", "old.cfg", "MLproject", "pyproject.toml")}
    assert after["Makefile.new"] == rendered["Makefile"]
    assert after.keys() - before.keys() == {"Makefile.new"}, (
        "the template of MLproject is as before"
    )
    assert (
        "Keep your edited Makefile: merge Makefile.new into it, then delete Makefile.new" in shown
    )
    assert (
        f"pyproject.toml does not pin pixmill: add 'pixmill[pipeline]=={__version__}' to its "
        "dependencies"
    ) in shown
    (project / "Makefile.new").unlink()
    assert run_pixmill("upgrade", "--check") == 0


@pytest.mark.parametrize("done", [0, 4])
def test_interrupted_upgrade_is_completed(
    project: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    upgrade = plan_upgrade(project)
    assert len(upgrade.texts) == 6
    written: list[Path] = []

    def write(path: Path, text: str) -> None:
        if len(written) == done:
            raise KeyboardInterrupt
        written.append(path)
        path.write_text(text, encoding="utf-8")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(upgrading, "write_text", write)
        patch.setattr(upgrading, "write_lock", killed)
        apply_upgrade(project, upgrade)
    again = plan_upgrade(project)
    assert again.pending
    assert (again.lock, {**upgrade.texts, **again.texts}) == (upgrade.lock, upgrade.texts)
    apply_upgrade(project, again)
    assert not plan_upgrade(project).pending


def test_reports_params_that_became_invalid(project: Path) -> None:
    with (project / "params.yaml").open("a") as file:
        file.write("x: 1\n")
    (project / SCHEMA).write_text("{")
    lines = plan_upgrade(project).lines
    assert f"Changed defaults are unknown: {SCHEMA} is missing or not valid" in lines
    assert any(line.startswith("Edit params.yaml: x: ") for line in lines)


def test_rejects_other_folders(tmp_path: Path) -> None:
    with pytest.raises(PixmillError, match=r"has no pixmill\.lock") as caught:
        plan_upgrade(tmp_path)
    assert "else: pixmill new . (adds missing files" in str(caught.value.next)


PACKED = Origin(f"./wheels/pixmill-{__version__}-py3-none-any.whl")
ADDRESS = Origin(
    f"pixmill @ https://example.org/pixmill-{__version__}-py3-none-any.whl#sha256={'0' * 64}"
)
COMMIT = Origin(f"pixmill @ git+https://example.org/pixmill.git@{'1' * 40}")
BEFORE = Origin("./wheels/pixmill-0.0.8-py3-none-any.whl")


@pytest.mark.parametrize(
    ("before", "after"),
    [(BEFORE, COMMIT), (OLD, INDEX), (COMMIT, PACKED), (None, ADDRESS)],
    ids=str,
)
def test_changes_the_origin(
    project: Path,
    installed: Lock,
    before: Origin | None,
    after: Origin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upgrading, "running_origin", lambda: after)
    wheel = b"new" if after.is_path else None
    monkeypatch.setattr(upgrading, "find_supply", lambda: Supply(after, wheel))
    texts = render("shoes", "shoes", Supply(before or OLD))
    for path in ("README.md", "pyproject.toml"):
        (project / path).write_text(texts[path])
    if before == BEFORE:
        (project / "wheels").mkdir()
        (project / before.text).write_text("old")
    lock = read_lock(project)
    assert lock is not None
    write_lock(project, replace(lock, origin=before))

    apply_upgrade(project, upgrade := plan_upgrade(project))
    rendered = render("shoes", "shoes", Supply(after, wheel))
    found = files_of(project)
    others = set() if before != BEFORE or after.is_path else {"pyproject.toml"}
    for path in rendered.keys() - {"README.md"} - others:
        assert found[path] == rendered[path]
    assert (
        not others
        or f"pyproject.toml does not pin pixmill: add '{after.requirement('pipeline')}' to"
        in str(upgrade.lines)
    )
    assert {path: text for path, text in found.items() if path.startswith("wheels/")} == (
        {after.text.removeprefix("./"): "new"} if after.is_path else {}
    )
    assert (read_lock(project) or lock).origin == after
    assert not plan_upgrade(project).pending


def test_wheel_keeps_the_extras(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = render("shoes", "shoes", Supply(OLD))
    (project / "pyproject.toml").write_text(
        texts["pyproject.toml"].replace("[pipeline]", "[pipeline, heic,s3]")
    )
    monkeypatch.setattr(upgrading, "find_supply", lambda: Supply(PACKED, b"new"))
    apply_upgrade(project, plan_upgrade(project))
    wanted = PACKED.requirement("pipeline,heic,s3")
    assert wanted in files_of(project)["python_env.yaml"]
    assert upgrading.project_extras(project) == "pipeline,heic,s3"
    assert not plan_upgrade(project).pending


def test_another_or_missing_wheel_is_packed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrading, "find_supply", lambda: Supply(PACKED, b"one"))
    apply_upgrade(project, plan_upgrade(project))
    monkeypatch.setattr(upgrading, "running_origin", lambda: ADDRESS)  # any that is for all
    monkeypatch.setattr(upgrading, "find_supply", lambda: Supply(PACKED, b"two"))
    assert run_pixmill("upgrade", "--check") == 1
    assert run_pixmill("upgrade") == 0
    assert (project / PACKED.text).read_bytes() == b"two"
    assert run_pixmill("upgrade", "--check") == 0
    (project / PACKED.text).unlink()
    assert run_pixmill("upgrade") == 0
    assert (project / PACKED.text).read_bytes() == b"two"
