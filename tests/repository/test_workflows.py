"""Workflows: what each job may do, which actions it runs, and what a release needs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
import yaml

CHECKOUT = "actions/checkout"


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def workflow(repository):
    return read(repository / ".github" / "workflows" / "ci.yml")


def steps_with(job, action):
    return [
        step.get("with", {}) for step in job["steps"] if step.get("uses", "").startswith(action)
    ]


def workflows(repository):
    folders = (repository / ".github", repository / "src/pixmill/project/new/template/_github")
    return {
        path: read(path)
        for folder in folders
        for path in sorted((folder / "workflows").glob("*.yml"))
    }


def test_no_job_has_permissions_that_it_does_not_name(repository):
    """A job that runs the code of a change may only read."""
    writing = set()
    for path, content in workflows(repository).items():
        assert content["permissions"] == {}, path
        # `on` is true in YAML 1.1. With pull_request_target, code of strangers would get the
        # repository's token.
        assert "pull_request_target" not in content[True]
        for name, job in content["jobs"].items():
            granted = job.get("permissions", {})
            clones = steps_with(job, CHECKOUT)
            assert not clones or granted.get("contents") == "read", (path, name)
            assert not any(given["persist-credentials"] for given in clones), (path, name)
            writing |= {(name, key) for key, access in granted.items() if access == "write"}
            # A branch may be named `$(…)`, which is plain text in an environment variable.
            assert not [step for step in job["steps"] if "${{" in step.get("run", "")], (path, name)
    assert writing == {
        ("comment", "pull-requests"),
        ("publish", "id-token"),
        ("publish", "pages"),
        ("announce", "contents"),
    }


def test_actions_are_pinned_to_commits(repository):
    """A tag or branch of others may move; Renovate updates the commit and the version after it."""
    versions = {}
    for path in workflows(repository):
        for line in re.findall(r"\buses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            action, sha, version = re.fullmatch(
                r"([\w/-]+)@([0-9a-f]{40})  # v(\d+\.\d+\.\d+)", line
            ).groups()
            assert versions.setdefault(action, (sha, version)) == (sha, version), path
    assert CHECKOUT in versions


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
    gitlab = [
        line
        for job in ("test", "services")
        for line in read(repository / ".gitlab-ci.yml")[job]["script"]
    ]
    assert (
        sorted(word for line in gitlab if ".ci/run" in line for word in line.split()[1:]) == checks
    )
    github = [
        step.get("run", "")
        for job in ("test", "services")
        for step in workflow["jobs"][job]["steps"]
    ]
    assert sorted(command.removeprefix("make ") for command in github if command) == checks


def test_comparison_is_uploaded_if_the_gate_fails(workflow, repository):
    (upload,) = [
        step for step in workflow["jobs"]["compare"]["steps"] if step.get("id") == "upload"
    ]
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
        "announce": "publish",
    }
    first, *_ = [step["run"] for step in release["jobs"]["build"]["steps"] if "run" in step]
    assert first == 'python3 .ci/release.py stamp "$TAG"'


def test_every_supported_python_is_tested(release, workflow, repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    first = named[0]
    end = f"3.{int(named[-1].partition('.')[2]) + 1}"
    assert project["requires-python"] == f">={first},<{end}"
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert release["jobs"]["test"]["strategy"]["matrix"]["python"] == matrix["python"] == named
    assert [extra["os"] for extra in matrix["include"]] == ["macos-latest"]


def test_jobs_with_rights_run_no_code_of_the_repository(release):
    publish, announce = (release["jobs"][name] for name in ("publish", "announce"))
    assert publish["environment"] == "release"
    used = [step.get("uses", "").partition("@")[0] for step in publish["steps"]]
    assert used == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    (given,) = steps_with(publish, "pypa/")
    assert given["attestations"] is True
    first, command = announce["steps"]
    assert first["uses"].startswith("actions/download-artifact@")
    assert command["run"].startswith("gh release create")
    # The published files are those that were built and tested.
    names = [
        given.get("name")
        for job in release["jobs"].values()
        for given in steps_with(job, "actions/download")
    ]
    assert names == ["dist", "dist", None]


@pytest.fixture
def checkout(repository, tmp_path):
    """A checkout with a changelog that has a section for 1.2.3, and the script."""
    for name in (".ci/release.py", "pyproject.toml", "CITATION.cff", "docs/package.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(repository / name, tmp_path / name)
    package = tmp_path / "src/pixmill"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.2.3.dev0"\n')
    (package / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-12-01)\n\n- New.\n\n## 1.0.0 "
        "(2026-11-01)\n\n- First.\n"
    )
    return tmp_path


def run_release(checkout, *words):
    environ = {
        "GITHUB_SERVER_URL": "https://forge.test",
        "GITHUB_REPOSITORY": "us/pixmill",
        "SOURCE_DATE_EPOCH": "1",
    }
    return subprocess.run(
        [sys.executable, checkout / ".ci/release.py", *words],
        env=os.environ | environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_stamp_makes_the_release(checkout):
    assert run_release(checkout, "notes", "v1.2.3").stdout == "- New.\n"
    assert run_release(checkout, "stamp", "v1.2.3").returncode == 0
    assert (checkout / "src/pixmill/__init__.py").read_text() == '__version__ = "1.2.3"\n'
    urls = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["urls"]
    assert urls == {
        "Changelog": "https://forge.test/us/pixmill/blob/v1.2.3/src/pixmill/CHANGELOG.md",
        "Issues": "https://forge.test/us/pixmill/issues",
        "Source": "https://forge.test/us/pixmill",
    }
    citation = read(checkout / "CITATION.cff")
    stamped = {
        "version": "1.2.3",
        "date-released": "2026-12-01",
        "repository-code": "https://forge.test/us/pixmill",
    }
    assert citation.items() >= stamped.items()
    assert "$ pip install 'pixmill[pipeline]'\n" in (checkout / "docs/package.md").read_text()
    again = run_release(checkout, "stamp", "v1.2.3")
    assert (again.returncode, "but __version__ is 1.2.3\n" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("tag", "edit", "words"),
    [
        ("v1.2.4", (), "the tag is v1.2.4, but __version__ is 1.2.3.dev0\nNext: tag v1.2.3"),
        ("1.2.3", (), "the tag is 1.2.3"),
        ("v1.2.3", ("- New.\n", ""), "no section"),
        ("v1.2.3", ("## 1.2.3 ", "## 1.2.30 "), "no section"),
    ],
)
def test_tag_needs_version_and_changelog_section(checkout, tag, edit, words):
    changes = checkout / "src/pixmill/CHANGELOG.md"
    changes.write_text(changes.read_text().replace(*edit or ("", "")))
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    done = run_release(checkout, "stamp", tag)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before


def test_packed_files_depend_on_contents_alone(checkout):
    made = []
    for turn in (1, 2):
        folder = checkout / f"dist{turn}"
        folder.mkdir()
        with zipfile.ZipFile(folder / "pixmill-1.2.3-py3-none-any.whl", "w") as wheel:
            for name in ["a.py", "b.py"][:: 3 - 2 * turn]:
                wheel.writestr(
                    zipfile.ZipInfo(f"pixmill/{name}", (2000 + turn, 1, 1, 0, 0, 0)), name
                )
            wheel.writestr("pixmill-1.2.3.dist-info/RECORD", str(turn))
        with tarfile.open(folder / "pixmill-1.2.3.tar.gz", "w:gz") as sdist:
            entry = tarfile.TarInfo("pixmill-1.2.3/setup.cfg")
            entry.mtime = turn
            entry.uid = turn
            entry.uname = str(turn)
            sdist.addfile(entry)
        done = run_release(checkout, "pack", folder)
        assert done.returncode == 0, done.stderr
        made.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert made[0] == made[1]
    with zipfile.ZipFile(folder / "pixmill-1.2.3-py3-none-any.whl") as wheel:
        assert {"pixmill/a.py", "pixmill-1.2.3.dist-info/WHEEL"} <= {*wheel.namelist()}
        assert b"pixmill/b.py,sha256=" in wheel.read("pixmill-1.2.3.dist-info/RECORD")


def test_forms_and_renovate_are_valid(repository):
    github = repository / ".github"
    for path in sorted((github / "ISSUE_TEMPLATE").glob("*.yml")):
        form = read(path)
        if path.name == "config.yml":
            assert form == {"blank_issues_enabled": False}
            continue
        assert {*form} == {"name", "description", "labels", "body"}, path
        ids = [part["id"] for part in form["body"]]
        assert len(ids) == len({*ids})
        assert {part["type"] for part in form["body"]} <= {"textarea", "checkboxes"}
        assert all(part["attributes"]["label"] for part in form["body"])
    template = (github / "pull_request_template.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./-]+/[\w.-]*)", template):
        assert (repository / name).exists(), name
    renovate = json.loads((repository / "renovate.json").read_text(encoding="utf-8"))
    (pattern,) = renovate["github-actions"]["managerFilePatterns"]
    found = [
        path for path in workflows(repository) if re.search(pattern.strip("/"), path.as_posix())
    ]
    assert [path.parts[-3] for path in found] == ["_github"]


def test_citation_matches_the_package(repository):
    citation = read(repository / "CITATION.cff")
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["abstract"] == project["description"]
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


@pytest.fixture(scope="module")
def docs(repository):
    return read(repository / ".github" / "workflows" / "docs.yml")


def test_only_main_publishes_the_site(docs, repository):
    assert docs[True] == {"push": {"branches": ["main"]}}
    assert [step["run"] for step in docs["jobs"]["build"]["steps"] if "run" in step] == [
        "make docs"
    ]
    (upload,) = steps_with(docs["jobs"]["build"], "actions/upload-pages-artifact")
    gitlab = read(repository / ".gitlab-ci.yml")["pages"]
    assert upload == {"path": "build/docs"}
    assert gitlab["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    assert gitlab["script"] == [".ci/run docs", "mv build/docs public"]


def test_job_that_writes_the_site_runs_no_code(docs):
    (step,) = docs["jobs"]["publish"]["steps"]
    assert step["uses"].startswith("actions/deploy-pages@")
