"""A project whose web is made of replicas."""

import pytest

from tests.scrape.acts.project import Project


@pytest.fixture
def project(tmp_path, repository):
    """Make a project in the world that a test has opened."""

    def make(world, name="project"):
        return Project(tmp_path / name, repository, world)

    return make
