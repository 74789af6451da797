"""The jobs of a project's CI; scripts stand in for the programs that take minutes, but the comment is a real one."""

import os
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixmill.core.origin import Origin
from pixmill.new.template import render
from tests.forge import GITHUB, GITLAB, Forge
from tests.runner import Ended, GithubRun, GitlabPipeline
from tests.version_control import commit, git, start_repository

FILES = render("my-shoes", "my_shoes", Origin("pixmill==1.2.3"))

COMPARES = """\
[ "$1" = compare ] || exit 0
mkdir -p reports
printf '# better\\n' >reports/compare.md
printf '<h1>better</h1>' >reports/compare.html
"""

PROMOTES = """\
if [ "$1" = promote ]; then
    shift; printf '<%s>' "$@"; printf '\\n'
    mkdir -p reports; printf '# refused\\n' >reports/promote.md; exit 1
fi
"""

MAIN = {"github": {"event_name": "workflow_dispatch", "ref": "refs/heads/main"}}


@pytest.fixture(params=[GITHUB, GITLAB])
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with Forge(request.param) as forge:
        yield forge


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    root = start_repository(tmp_path / "origin")
    (root / "pixmill.lock").write_text('install: "pixmill==1.2.3"\n')
    commit(root)
    return root


@pytest.fixture
def run(origin: Path, tmp_path: Path, repository: Path) -> Callable[..., Ended]:
    """Run a job of a run in a clone of its own, with scripts for `pixmill` and `dvc`."""

    def run(jobs: GithubRun | GitlabPipeline, name: str, **scripts: str) -> Ended:
        clone, programs = tmp_path / name, tmp_path / "programs"
        git(tmp_path, "clone", "-q", str(origin), str(clone))
        programs.mkdir(exist_ok=True)
        python = f'exec "{sys.executable}" "$@"'
        for program, script in {"pip": "", "pixmill": "", "dvc": "", "python": python, **scripts}.items():
            (programs / program).write_text(f"#!/bin/sh\n{script}\n")
            (programs / program).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return jobs.run(name, clone, {"PATH": path, "PYTHONPATH": str(repository / "src")})

    return run


def change(forge: Forge, origin: Path) -> GithubRun | GitlabPipeline:
    """Return a run for a pull request, or merge request, whose base is main."""
    if forge.kind == GITLAB:
        variables = {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "5",
        }
        return GitlabPipeline(forge, FILES[".gitlab-ci.yml"], variables)
    asked = {"number": 7, "base": {"sha": git(origin, "rev-parse", "HEAD").strip()}}
    asked |= {"head": {"repo": {"full_name": "team/garments"}}}
    event = {"event_name": "pull_request", "base_ref": "main", "event": {"pull_request": asked}}
    return GithubRun(forge, FILES[".github/workflows/ci.yml"], {"github": event})


def open_link(forge: Forge) -> tuple[str, bytes]:
    """Follow the link of the only comment."""
    ((body,),) = ([comment.body for comment in forge.comments.values()],)
    link = re.search(r"\[The whole report, with images\]\((\S+)\)", body)
    assert link, body
    with urllib.request.urlopen(link[1]) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_the_comments_link_opens_the_page_itself(forge: Forge, origin: Path, run: Callable[..., Ended]) -> None:
    jobs = change(forge, origin)
    compared = run(jobs, "compare", pixmill=COMPARES)
    assert compared.code == 0, compared.printed
    assert compared.summary == ("# better\n" if forge.kind == GITHUB else "")
    commented = run(jobs, "comment")
    assert commented.code == 0, commented.printed
    assert open_link(forge) == ("text/html", b"<h1>better</h1>")


def test_where_the_pipeline_failed_the_link_opens_the_reports_that_there_are(
    forge: Forge, origin: Path, run: Callable[..., Ended]
) -> None:
    jobs = change(forge, origin)
    compared = run(jobs, "compare", dvc='test "$1" = remote || { echo no images; exit 1; }')
    assert compared.code == 1
    commented = run(jobs, "comment")
    assert commented.code == 0, commented.printed
    (comment,) = forge.comments.values()
    assert comment.body.endswith("### No comparison: the pipeline failed\n\n    no images\n")
    assert open_link(forge)[0] == ("application/zip" if forge.kind == GITHUB else "text/html")
    if isinstance(jobs, GithubRun):
        assert [*jobs.artifacts] == ["compare"]


@pytest.mark.parametrize("because", ["", "the $(false) old one; it's rude"])
def test_a_person_promotes_main_and_reads_what_came_of_it(
    forge: Forge, run: Callable[..., Ended], because: str
) -> None:
    jobs: GithubRun | GitlabPipeline
    if forge.kind == GITHUB:
        jobs = GithubRun(forge, FILES[".github/workflows/ci.yml"], {**MAIN, "inputs": {"because": because}})
        assert jobs.starts("test")
        assert not jobs.starts("compare")
        assert not jobs.starts("comment")
    else:
        jobs = GitlabPipeline(forge, FILES[".gitlab-ci.yml"], {"CI_COMMIT_BRANCH": "main", "BECAUSE": because})
        # Whoever never starts it has a pipeline that passed.
        assert jobs.rule("promote").items() >= {"when": "manual", "allow_failure": True}.items()
        assert jobs.jobs["promote"]["needs"] == ["test"]
    assert jobs.jobs["promote"]["environment"] == "production"
    ended = run(jobs, "promote", pixmill=PROMOTES)
    assert ended.code == 1
    words = "<HEAD>" + (f"<--force><--because={because}>" if because else "")
    if forge.kind == GITHUB:
        assert (ended.printed, ended.summary) == (f"{words}\n", "# refused\n")
    else:
        assert ended.printed == f"{words}\n# refused\n"
        assert jobs.artifacts["promote"] == {"reports/promote.md": b"# refused\n"}


def test_nothing_else_starts_a_promotion() -> None:
    with Forge(GITHUB) as forge:
        for github in (
            {"event_name": "push", "ref": "refs/heads/main"},
            {"event_name": "pull_request", "ref": "refs/pull/7/merge"},
            {"event_name": "workflow_dispatch", "ref": "refs/heads/other"},
        ):
            assert not GithubRun(forge, FILES[".github/workflows/ci.yml"], {"github": github}).starts("promote")
    with Forge(GITLAB) as forge:
        for variables in ({"CI_COMMIT_BRANCH": "other"}, {"CI_PIPELINE_SOURCE": "merge_request_event"}):
            pipeline = GitlabPipeline(forge, FILES[".gitlab-ci.yml"], variables)
            assert pipeline.rule("promote") == {"when": "never"}
