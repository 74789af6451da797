"""A change that cannot change the weights never costs a training."""

import hashlib

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TAKEN_OVER = "train: reused the weights of an earlier training"


def weights(project) -> str:
    return hashlib.sha256((project.path / "artifacts/train/model.weights.h5").read_bytes()).hexdigest()


def repro(project, *words: str) -> str:
    # Without its run cache DVC runs what it would otherwise restore.
    done = project.dvc("repro", "--no-run-cache", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_params_that_come_back_and_another_target_accuracy_fit_nothing(copy_of_finished) -> None:
    project, first = copy_of_finished, weights(copy_of_finished)
    calibration = (project.path / "artifacts/train/calibration.json").read_bytes()
    project.edit(("seed: 7", "seed: 8"))
    assert TAKEN_OVER not in repro(project, "train")
    second = weights(project)
    project.edit(("seed: 8", "seed: 7"), ("\ntrain:", "\ntrain:\n  target_accuracy: 0.9"))
    assert TAKEN_OVER in repro(project, "train")
    assert weights(project) == first != second
    assert (project.path / "artifacts/train/calibration.json").read_bytes() != calibration
