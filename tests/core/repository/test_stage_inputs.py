"""Find inputs that changed since the results were made."""

import pytest

from pixmill.core.errors import ParamsError
from pixmill.core.repository.documents import read_stages
from pixmill.core.repository.stage_inputs import (
    find_changed_input,
    first_outdated,
    stages_of,
    workspace_stages,
)
from tests.experiments.compare.projects import write


def changed(root):
    def read(path):
        return (root / path).read_bytes() if (root / path).exists() else None

    return find_changed_input(read_stages((root / "dvc.lock").read_bytes()), read)


@pytest.mark.parametrize(
    ("path", "text", "named"),
    [
        ("params.yaml", "split: {salt: a}\ntrain: {epochs: 10}\n", "train in params.yaml"),
        ("params.yaml", "train: {epochs: 9}\nsplit: {'salt': a}\ncompare: {margin: 0.5}\n", None),
        ("decisions.csv", "image,label,answer,split,by,why\n11111111,,drop,,,\n", "decisions.csv"),
        (
            "data.dvc",
            "outs:\n- md5: 00000000000000000000000000000000.dir\n  path: data\n",
            "data.dvc",
        ),
        ("artifacts/split/manifest.parquet", "of no account here", None),
    ],
)
def test_the_first_changed_input_is_named(project, path, text, named):
    assert changed(project) is None
    write(project / path, text)
    assert changed(project) == named


def test_a_stage_that_did_not_run_after_those_before_it_is_outdated(project):
    stages = read_stages((project / "dvc.lock").read_bytes())
    assert first_outdated(stages) is None
    (out,) = stages["train"]["outs"]
    stages["train"]["outs"] = [{**out, "md5": "another"}]
    assert first_outdated(stages) == "evaluate"


def test_no_lock_has_no_stages_and_one_with_conflicts_is_refused():
    assert stages_of(None) == stages_of("") == stages_of("schema: '2.0'\n") == {}
    for text in (
        "<<<<<<< HEAD\nstages:\n=======\nstages: {}\n>>>>>>> other\n",
        "[1]",
        "stages: {train: 1}",
    ):
        with pytest.raises(ParamsError, match=r"dvc\.lock is malformed: "):
            stages_of(text)


def test_a_lock_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "dvc.lock").write_bytes("stages: {train: {cmd: caf\u00e9}}".encode("latin-1"))
    with pytest.raises(ParamsError, match=r"dvc\.lock is not UTF-8") as refused:
        workspace_stages(tmp_path)
    assert refused.value.next == "git diff dvc.lock, resolve the conflict, then: dvc repro"
