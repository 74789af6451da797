"""Checks from plugins."""

import pytest

from pixmill.core.errors import PluginError
from tests.validate.conftest import Scrape

PLUGIN = """
from pixmill.validate import Check

def checks(manifest, classes):
    manifest["label"] = "mine"
    return {}
"""


@pytest.fixture
def checked(tmp_path, plugin_imports, scrape: Scrape):
    """Validate two images with the checks of a plugin; return the outcomes by name."""
    (tmp_path / "src/barn/validate").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[project.entry-points."pixmill.checks"]\nours = "barn.validate.ours:checks"\n'
    )

    def look(returned):
        (tmp_path / "src/barn/validate/ours.py").write_text(PLUGIN.format(returned))
        scrape.fill("coat", 2)
        found = scrape.validate(gate=None, plugins=("ours",), root=tmp_path)
        assert set(found.manifest["label"]) == {"coat"}
        return {outcome.check.name: outcome.success for outcome in found.outcomes}

    return look


def test_runs_checks_of_a_plugin(checked):
    found = checked(
        '[Check("two", "manifest", "ExpectTableRowCountToEqual", {"value": 2}, "info", "two")]'
    )
    assert found["two"]


def test_rejects_other_objects(checked):
    with pytest.raises(
        PluginError, match=r"the check 'ours' \(src/barn/validate/ours.py\): expected a list of pix"
    ):
        checked('["a check"]')
