"""A DVC remote on S3: results are pushed once, and fetched only as needed."""

from dataclasses import replace
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.browser]


def done_by(project: Any, *words: str, **environ: str) -> str:
    done = project.dvc(*words, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture
def project(copy_of_finished, s3, tmp_path) -> Any:
    """A finished project whose remote is an empty folder of the bucket."""
    done_by(
        copy_of_finished,
        "remote",
        "add",
        "--default",
        "storage",
        f"s3://{s3.bucket}/{tmp_path.name}",
    )
    copy_of_finished.commit("Add storage")
    return copy_of_finished


def clone_of(project: Any) -> Any:
    place = project.path.with_name("clone")
    project.git("clone", "-q", str(project.path), str(place))
    return replace(project, path=place)


def files_of(project: Any, *folders: str) -> dict[str, bytes]:
    paths = [
        path for folder in folders for path in (project.path / folder).rglob("*") if path.is_file()
    ]
    return {path.relative_to(project.path).as_posix(): path.read_bytes() for path in paths}


def test_clone_runs_nothing_and_fetches_only_inputs(project, s3, monkeypatch):
    # The endpoint comes from the project's settings, which the clone inherits.
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    done_by(project, "remote", "modify", "storage", "endpointurl", s3.url)
    project.commit("Name the endpoint")
    pushed = int(done_by(project, "push").partition(" files pushed")[0])
    assert s3.requests["PUT"] == pushed
    clone = clone_of(project)
    s3.forget()
    output = done_by(clone, "repro", "--pull", "--allow-missing")
    assert "Running stage" not in output
    assert output.endswith("Data and pipelines are up to date.\n")
    assert s3.objects == []
    # A change of evaluate only.
    clone.edit(("draws: 200", "draws: 300"))
    output = done_by(clone, "repro", "--pull", "--allow-missing")
    assert output.count("Running stage") == output.count("Running stage 'evaluate'") == 1
    assert not (clone.path / "artifacts/scrape").exists()
    assert not (clone.path / "artifacts/validate").exists()
    needed = ("artifacts/split", "artifacts/train", "data")
    assert files_of(clone, *needed) == files_of(project, *needed) != {}
    assert len(set(s3.objects)) < pushed
