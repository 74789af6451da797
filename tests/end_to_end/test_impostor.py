"""Projects and CI install the real package, although an impostor owns its name on the index."""

import hashlib
import os
import re
import shutil
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import pixmill
from pixmill.core.install.origin import Origin
from pixmill.project.new.supply import Supply, pack
from tests.end_to_end.conftest import Project
from tests.index import Index

pytestmark = pytest.mark.slow

SETTINGS = {
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONPATH": "",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
}
"""Settings that build with the installed setuptools (pip's option is inverted), offline."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index with an impostor of the same and of a higher version."""
    with Index(tmp_path_factory.mktemp("index") / "served", pixmill.__version__, "9.9.9") as index:
        yield index


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all installed packages except Pixmill."""
    folder = tmp_path_factory.mktemp("packages")
    for packages in dict.fromkeys(
        path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")
    ):
        for path in Path(packages).iterdir():
            if (
                "pixmill" not in path.name
                and path.name != "__pycache__"
                and not (folder / path.name).exists()
            ):
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def clean(index: Index, packages: Path, tmp_path: Path) -> Callable[[Project], Project]:
    """Give a project a clean environment with all other packages, whose index is the impostor's."""

    def make(project: Project) -> Project:
        folder = tmp_path / f"venv{len(list(tmp_path.glob('venv*')))}"
        venv.create(folder, symlinks=True)
        (own,) = folder.glob("lib/python*/site-packages")
        (own / "shared.pth").write_text(str(packages), encoding="utf-8")
        python = folder / "bin" / "python"
        for name in ("pip", "pytest", "dvc"):
            script = python.with_name(name)
            script.write_text(f'#!/bin/sh\nexec "{python}" -m {name} "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        return replace(
            project,
            python=python,
            settings={
                **SETTINGS,
                "PIP_INDEX_URL": f"{index.url}simple/",
                "PIP_CACHE_DIR": str(packages.parent / "cache"),
            },
        )

    return make


@pytest.fixture
def project(bundled_images: Path, tmp_path: Path) -> Project:
    """A project created by the running Pixmill, committed."""
    for label in ("coat", "dress"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for image in sorted((bundled_images / label).glob("*.png"))[:30]:
            shutil.copy2(image, tmp_path / "images" / label)

    done = Project(tmp_path).run(sys.executable, "-m", "pixmill", "new", "pets", "--from", "images")
    assert done.returncode == 0, done.stdout + done.stderr
    project = Project(tmp_path / "pets")
    project.commit("Begin")
    return project


def jobs_of(project: Project, file: str) -> dict[str, list[str]]:
    """Return the commands of each job of a CI file, in order."""
    content = yaml.safe_load(project.read(file))
    if "jobs" in content:
        return {
            name: [step["run"] for step in job["steps"] if "run" in step]
            for name, job in content["jobs"].items()
        }
    return {name: content[name]["script"] for name in ("test", "compare", "comment", "promote")}


def run_script(project: Project, script: str, **environ: str) -> str:
    done = project.run("bash", "-e", "-c", script, **environ)
    assert done.returncode == 0, (script, done.stdout + done.stderr)
    return done.stdout


def check_real(project: Project, index: Index) -> None:
    """Check that the environment has the real Pixmill, and that the index was not asked for it."""
    run_script(project, "python -P -c 'import pixmill.experiments.compare'")
    assert not index.marker.exists()
    assert not [path for path in index.asked if path.startswith("/simple/pixmill")]


def test_install_by_version_gets_the_impostor(
    index: Index, clean: Callable[[Project], Project], tmp_path: Path
) -> None:
    project = clean(Project(tmp_path))
    run_script(
        project, f"pip install --no-deps pixmill=={pixmill.__version__} && python -m pixmill"
    )
    assert index.marker.exists(), "the trap works"
    index.marker.unlink()
    index.asked.clear()


def test_locked_release_is_taken_from_the_index_that_has_it(
    index: Index, clean: Callable[[Project], Project], tmp_path: Path
) -> None:
    name, wheel = pack()
    pin = f"pixmill=={pixmill.__version__}#sha256={hashlib.sha256(wheel).hexdigest()}"
    (tmp_path / "requirements.txt").write_text(
        str(Supply(Origin(pin)).locked("pipeline")), encoding="utf-8"
    )
    install = "pip install --no-deps --require-hashes -r requirements.txt"
    project = clean(Project(tmp_path))
    refused = project.run("bash", "-c", install)
    assert (refused.returncode, "DO NOT MATCH THE HASHES" in refused.stderr) == (1, True)
    with Index(tmp_path / "released") as real:
        folder = real.folder / "simple/pixmill"
        (folder / name).write_bytes(wheel)
        (folder / "index.html").write_text(f'<a href="{name}">{name}</a>', encoding="utf-8")
        run_script(project, install, PIP_EXTRA_INDEX_URL=f"{real.url}simple/")
    run_script(project, "python -P -c 'import pixmill.experiments.compare'")
    assert not index.marker.exists()
    index.asked.clear()


def test_ci_and_readme_install_the_real_package(
    project: Project, clean: Callable[[Project], Project], index: Index
) -> None:
    github, gitlab = (
        jobs_of(project, file) for file in (".github/workflows/ci.yml", ".gitlab-ci.yml")
    )
    assert github["test"] == gitlab["test"]
    commands = [
        line for jobs in (github, gitlab) for name in ("compare", "promote") for line in jobs[name]
    ]
    locked, own_code = dict.fromkeys(line for line in commands if line.startswith("pip "))
    (install,) = {
        *re.findall(r"^\$ (pip install .*?-e \.)(?: |$)", project.read("README.md"), re.MULTILINE)
    }
    assert github["test"][:2] == [locked, own_code.replace("-e .", "-e '.[dev]'")]
    own = clean(project)
    run_script(own, "pip install -e .")  # as usual in other projects
    for stage in ("stages.train", "stages"):
        done = own.run("python", "-m", stage)
        assert done.returncode == 1
        assert done.stderr == f"Pixmill is not installed in this environment\nNext: {install}\n"
    for command in github["test"]:
        run_script(own, command)
    check_real(own, index)
    person = clean(project)
    run_script(person, install)
    check_real(person, index)
