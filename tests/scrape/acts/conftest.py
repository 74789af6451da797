"""A project in a web of replicas."""

import pytest

from tests.scrape.acts.project import Project


@pytest.fixture
def project(tmp_path, repository):
    """Create a project in an open world."""

    def make(world, name="project"):
        return Project(tmp_path / name, repository, world)

    return make
