"""CI scripts of a project, with fakes for slow programs and services."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pixmill.core.install.origin import Origin
from pixmill.project.new.supply import Supply
from pixmill.project.new.template import render

FILES = render("my-shoes", "my_shoes", Supply(Origin("pixmill==1.2.3")))
GITHUB = yaml.safe_load(FILES[".github/workflows/ci.yml"])["jobs"]
GITLAB = yaml.safe_load(FILES[".gitlab-ci.yml"])

PROMOTES = """\
shift; printf '<%s>' "$@"
mkdir -p reports; printf '# refused\\n' >reports/promote.md; exit 1
"""
POSTS = 'printf "%s " "$@" >posted; cat >>posted'


def github(name: str) -> list[str]:
    return [step["run"] for step in GITHUB[name]["steps"] if "run" in step]


def run(
    folder: Path, commands: list[str], programs: dict[str, str], **environ: str
) -> tuple[int, str]:
    """Run commands in a folder with fake programs."""
    for program, script in programs.items():
        (folder / program).write_text(f"#!/bin/sh\n{script}\n")
        (folder / program).chmod(0o755)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(commands)],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_failed_pipeline_is_reported(tmp_path: Path) -> None:
    (step,) = [command for command in github("compare") if "dvc repro" in command]
    code, _ = run(
        tmp_path,
        [step],
        {"dvc": 'test "$1" = remote || { echo no images; exit 1; }', "pixmill": ""},
    )
    assert code == 1
    text = "### No comparison: the pipeline failed\n\n    no images\n"
    assert (tmp_path / "reports/compare.md").read_text() == text


def test_comment_links_to_the_report(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/compare.md").write_text("# $(better)\n")
    environ = {"PAGE": "https://forge.test/page", "NUMBER": "7"}
    code, printed = run(tmp_path, github("comment"), {"gh": POSTS}, **environ)
    assert code == 0, printed
    words = "pr comment 7 --edit-last --create-if-none --body-file - "
    text = "[The whole report, with images](https://forge.test/page)\n\n# $(better)\n"
    assert (tmp_path / "posted").read_text() == words + text


def test_comment_follows_no_symlink(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/compare.md").symlink_to("/proc/self/environ")
    code, printed = run(
        tmp_path, GITLAB["comment"]["script"], {"apk": "", "glab": "echo posted >&2"}
    )
    assert (code, printed) == (1, "")


@pytest.mark.parametrize("force", ["", "1"])
@pytest.mark.parametrize("because", ["", "the $(false) old one; it's rude"])
@pytest.mark.parametrize("commands", [github("promote")[:3], GITLAB["promote"]["script"]])
def test_promote_job(tmp_path: Path, commands: list[str], because: str, force: str) -> None:
    """A reason alone overrides no limit."""
    code, printed = run(
        tmp_path, commands, {"pip": "", "pixmill": PROMOTES}, BECAUSE=because, FORCE=force
    )
    reason = f"<--accept-undecided={because}>" if because else ""
    assert (code, printed) == (1, f"<HEAD>{reason}" + ("<--force>" if force else ""))


def test_promotion_is_manual() -> None:
    assert (
        GITHUB["promote"]["if"]
        == "github.event_name == 'workflow_dispatch' && github.ref == 'refs/heads/main'"
    )
    (rule,) = GITLAB["promote"]["rules"]
    assert rule == {
        "if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
        "when": "manual",
        "allow_failure": True,
    }
    for job in (GITHUB["promote"], GITLAB["promote"]):
        assert job["environment"] == "production"
