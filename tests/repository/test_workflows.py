"""Permissions of the CI jobs: no job that runs the code of a change may write."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml

CHECKOUT = "actions/checkout"


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def workflow(repository):
    return read(repository / ".github" / "workflows" / "ci.yml")


def steps_with(job, action):
    return [step.get("with", {}) for step in job["steps"] if step.get("uses", "").startswith(action)]


def test_only_comment_job_may_write(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    # `on` is true in YAML 1.1. With pull_request_target, code of strangers would get the repository's token.
    assert set(workflow[True]) == {"push", "pull_request"}
    granted = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert granted == {"comment": {"pull-requests": "write"}}


def test_comment_job_is_the_same_in_new_projects(workflow, repository):
    template = repository / "src" / "pixmill" / "project" / "new" / "template"
    github, gitlab = (
        (read(repository / path), read(template / f"_{path.removeprefix('.')}"))
        for path in (".github/workflows/ci.yml", ".gitlab-ci.yml")
    )
    assert github[0]["jobs"]["comment"] == github[1]["jobs"]["comment"]
    assert gitlab[0]["comment"] == gitlab[1]["comment"]
    assert "head.repo.full_name == github.repository" in workflow["jobs"]["comment"]["if"]


def test_both_services_run_every_check(workflow, repository):
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    checks = sorted(re.search(r"set -- (.*);", script)[1].split())
    gitlab = [line for job in ("test", "services") for line in read(repository / ".gitlab-ci.yml")[job]["script"]]
    assert sorted(word for line in gitlab if ".ci/run" in line for word in line.split()[1:]) == checks
    github = [step.get("run", "") for job in ("test", "services") for step in workflow["jobs"][job]["steps"]]
    assert sorted(command.removeprefix("make ") for command in github if command) == checks


def test_clones_do_not_keep_the_token(workflow):
    clones = [given for job in workflow["jobs"].values() for given in steps_with(job, CHECKOUT)]
    assert len(clones) == len(workflow["jobs"]) - 1, "all but the comment"
    assert not any(given["persist-credentials"] for given in clones)


def test_scripts_contain_no_expressions(workflow):
    """A branch may be named `$(…)`, which is plain text in an environment variable."""
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert not [script for script in scripts if "${{" in script]


def test_actions_are_pinned_to_a_major_version(workflow):
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used), used


def test_comparison_is_uploaded_if_the_gate_fails(workflow, repository):
    (upload,) = [step for step in workflow["jobs"]["compare"]["steps"] if step.get("id") == "upload"]
    assert upload["if"] == "${{ !cancelled() }}"
    gitlab = read(repository / ".gitlab-ci.yml")
    assert gitlab["compare"]["artifacts"]["when"] == "always"
    assert [rule["when"] for rule in gitlab["comment"]["rules"]] == ["always"]


def test_only_comment_job_has_gitlab_token(repository):
    jobs = read(repository / ".gitlab-ci.yml")
    assert [name for name, job in jobs.items() if "environment" in job] == ["comment"]
    # Variables from a report of the other job would reach the job with the token.
    assert "reports" not in jobs["compare"]["artifacts"]


@pytest.fixture(scope="module")
def release(repository):
    return read(repository / ".github" / "workflows" / "release.yml")


def test_release_requires_tag_and_tests(release):
    assert release[True] == {"push": {"tags": ["v*"]}}
    assert {name: job.get("needs") for name, job in release["jobs"].items()} == {
        "build": None,
        "test": "build",
        "publish": "test",
    }
    assert release["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    first, *_ = [step["run"] for step in release["jobs"]["build"]["steps"] if "run" in step]
    assert first == 'python3 .ci/release.py "$TAG"'
    assert not [step for job in release["jobs"].values() for step in job["steps"] if "${{" in step.get("run", "")]


def test_only_publish_job_has_an_identity_and_runs_no_code(release):
    assert release["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in release["jobs"].items() if "permissions" in job}
    assert granted == {"publish": {"id-token": "write"}}
    job = release["jobs"]["publish"]
    assert job["environment"] == "release"
    used = [step.get("uses", "") for step in job["steps"]]
    # A tag or branch of others may move, and this job may write to the index.
    assert re.fullmatch(r"pypa/gh-action-pypi-publish@[0-9a-f]{40}", used.pop())
    assert used == ["actions/download-artifact@v8"]
    # The published files are those that were built and tested.
    assert [given["name"] for each in release["jobs"].values() for given in steps_with(each, "actions/download")] == [
        "dist",
        "dist",
    ]


@pytest.mark.parametrize(
    ("tag", "section", "words"),
    [
        ("v1.2.3", "## 1.2.3 (2026-12-01)\n\n### Fixed\n", None),
        ("v1.2.4", "## 1.2.3 (2026-12-01)\n\n### Fixed\n", "the tag is v1.2.4, but __version__ is 1.2.3"),
        ("v1.2.3", "## 1.2.3 (2026-12-01)\n\n", "no section"),
        ("v1.2.3", "## 1.2.30 (2026-12-01)\n\n### Fixed\n", "no section"),
    ],
)
def test_tag_needs_version_and_changelog_section(repository, tmp_path, tag, section, words):
    package = tmp_path / "src" / "pixmill"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (package / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## Unreleased\n\n{section}\n## 1.0.0 (2026-11-01)\n\n- First.\n"
    )
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(repository / ".ci" / "release.py", tmp_path / ".ci")
    done = subprocess.run([sys.executable, script, tag], capture_output=True, text=True, check=False)
    assert done.returncode == bool(words)
    assert words in done.stderr if words else done.stderr == ""


@pytest.fixture(scope="module")
def docs(repository):
    return read(repository / ".github" / "workflows" / "docs.yml")


def test_only_main_publishes_the_site(docs, repository):
    assert docs[True] == {"push": {"branches": ["main"]}}
    assert [step["run"] for step in docs["jobs"]["build"]["steps"] if "run" in step] == ["make docs"]
    (upload,) = steps_with(docs["jobs"]["build"], "actions/upload-pages-artifact")
    gitlab = read(repository / ".gitlab-ci.yml")["pages"]
    assert upload == {"path": "build/docs"}
    assert gitlab["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    assert gitlab["script"] == [".ci/run docs", "mv build/docs public"]


def test_only_publish_job_may_write_the_site_and_runs_no_code(docs):
    assert docs["permissions"] == {}
    assert {name: job["permissions"] for name, job in docs["jobs"].items()} == {
        "build": {"contents": "read"},
        "publish": {"id-token": "write", "pages": "write"},
    }
    (step,) = docs["jobs"]["publish"]["steps"]
    assert re.fullmatch(r"actions/deploy-pages@[0-9a-f]{40}", step["uses"])
    (clone,) = steps_with(docs["jobs"]["build"], CHECKOUT)
    assert clone["persist-credentials"] is False
