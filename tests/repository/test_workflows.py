"""What jobs with rights run, what a release needs, and what it packs.

``make lint`` checks the rest of the workflows with zizmor.
"""

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

from pixmill.serve.export.html.runtime import RELEASED


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def workflow(repository, name):
    return read(repository / ".github" / "workflows" / f"{name}.yml")


@pytest.mark.parametrize("name", ["ci", "docs", "release"])
def test_jobs_that_may_write_run_no_code_of_the_repository(repository, name):
    for job in workflow(repository, name)["jobs"].values():
        if "write" in job.get("permissions", {}).values():
            used = [step.get("uses", "") for step in job["steps"]]
            assert not any(action.startswith("actions/checkout") for action in used)


def test_every_supported_python_is_tested(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    first = named[0]
    end = f"3.{int(named[-1].partition('.')[2]) + 1}"
    assert project["requires-python"] == f">={first},<{end}"
    for name in ("ci", "release"):
        assert workflow(repository, name)["jobs"]["test"]["strategy"]["matrix"]["python"] == named


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
            for name in ["a.py", RELEASED.name][:: 3 - 2 * turn]:
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
        assert f"pixmill/{RELEASED.name},sha256=".encode() in wheel.read(
            "pixmill-1.2.3.dist-info/RECORD"
        )


def test_a_wheel_without_litert_js_is_no_release(checkout):
    (checkout / "pixmill-1.2.3.tar.gz").touch()
    with zipfile.ZipFile(checkout / "pixmill-1.2.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pixmill/a.py", "a")
    done = run_release(checkout, "pack", checkout)
    assert (done.returncode, RELEASED.name in done.stderr) == (1, True), done.stderr
