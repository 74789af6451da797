"""A team's own checks: what they return is looked at before it runs."""

import pandas as pd
import pytest

from pixmill.core.errors import PluginError
from pixmill.expectations import Check, Table
from pixmill.project.plugins import load_plugin
from pixmill.validate.plugin_checks import plugin_checks

GOOD = Check("bright", "images", "ExpectColumnMeanToBeBetween", {"column": "brightness"}, "info", "white")
PLUGIN = """
def checks(manifest, classes):
    manifest["label"] = "mine"
    return RETURNED
"""
OTHERS = [Check("dark", "images", "", {}, "info", "")]


@pytest.fixture
def checked(tmp_path, plugin_imports):
    """Return what looks at the checks that a plugin returns."""
    (tmp_path / "src/barn/validate").mkdir(parents=True)
    (tmp_path / "src/barn/validate/ours.py").write_text(PLUGIN)
    (tmp_path / "pyproject.toml").write_text(
        '[project.entry-points."pixmill.checks"]\nours = "barn.validate.ours:checks"\n'
    )

    def look(returned):
        load_plugin("checks", "ours", tmp_path).__globals__["RETURNED"] = returned
        manifest = pd.DataFrame({"id": ["a"], "label": ["coat"]})
        tables = {"images": Table(pd.DataFrame({"brightness": [1.0]})), "manifest": Table(manifest)}
        found = plugin_checks(["ours"], manifest, ["coat"], tables=tables, others=OTHERS, root=tmp_path)
        assert manifest["label"].tolist() == ["coat"]
        return found

    return look


def test_sound_checks_are_taken_in_their_order(checked):
    own = Check("counts", Table(pd.DataFrame({"n": [3]})), "ExpectColumnMaxToBeBetween", {"column": "n"}, "info", "")
    assert checked([GOOD, own]) == [GOOD, own]
    assert checked(GOOD) == [GOOD]
    assert checked([]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "dark"}, "expected a name that no other check or table has, received 'dark'"),
        ({"name": "manifest"}, "received 'manifest'"),
        ({"table": "image"}, "bright: expected a Table or one of the tables images, manifest, received 'image'"),
        ({"table": pd.DataFrame({"n": [1]})}, "one of the tables images, manifest, received    n\n0  1"),
        ({"expectation": "ExpectMagic"}, "bright: Great Expectations does not take this check: module 'great_exp"),
        ({"severity": "fatal"}, "permitted: 'critical', 'warning', 'info'"),
        ({"kwargs": {"columns": "n"}}, "column\n  field required (type=value_error.missing)\ncolumns\n  extra fields"),
        ({"kwargs": {"column": "bright"}}, "bright: expected one of the columns brightness, received 'bright'"),
    ],
)
def test_a_check_that_cannot_be_run_is_refused_with_its_file(checked, changes, said):
    with pytest.raises(PluginError) as caught:
        checked([Check(**{**vars(GOOD), **changes})])
    assert said in caught.value.message
    assert caught.value.next == "edit src/barn/validate/ours.py, then: dvc repro validate"


@pytest.mark.parametrize("returned", [None, ["a check"], {"bright": GOOD}, [GOOD, GOOD]])
def test_what_is_no_list_of_checks_is_refused(checked, returned):
    with pytest.raises(PluginError, match=r"the check 'ours' \(src/barn/validate/ours.py\): expected a "):
        checked(returned)
