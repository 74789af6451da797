"""The review of the page is made when it is looked at, and again after a run."""

import os

import pytest

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.workspace import Workspace
from pixmill.home.reviews import Reviews
from tests.review.conftest import Project


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    project.fill("coat", 3)
    project.add(None, came_as=["coat", "shoe"], reason="label_conflict")
    project.write()
    return project


def test_before_the_first_run_it_says_what_to_do(tmp_path):
    with Reviews(Workspace(tmp_path, tmp_path)) as reviews:
        with pytest.raises(DataError, match="has not run") as told:
            reviews.current()
        assert told.value.next == "dvc repro"
        assert reviews.end() is None


def test_without_a_doubt_it_says_so(tmp_path):
    project = Project(tmp_path)
    project.fill("coat", 3)
    with Reviews(project.write()) as reviews, pytest.raises(PixmillError, match="Nothing to review"):
        reviews.current()


def test_a_loaded_page_shows_the_same_review_until_there_are_new_tables(project):
    with Reviews(Workspace(project.root, project.root)) as reviews:
        reviews.open()
        first = reviews.current()
        reviews.open()
        assert reviews.current() is first
        os.utime(project.root / "artifacts/validate/manifest.parquet", (1, 1))
        # A page that is open knows the cases by their numbers of before.
        assert reviews.current() is first
        reviews.open()
        assert reviews.current() is not first
        ending = reviews.end()
        assert ending is not None
        assert reviews.end() is None
