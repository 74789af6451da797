"""A plugin is found where it must be, or a message says what to do."""

import pytest

from pixmill.core.errors import PluginError
from pixmill.core.install.plugins import load_plugin, plugin_digest
from pixmill.core.params import parse_params
from pixmill.project.recipes.preflight import find_issues
from pixmill.scrape.sources.source_list import open_sources

SOURCE = """
from pixmill.scrape.sources import LocalSource

class Empty(LocalSource):
    kind = "local"
    def __init__(self, root): pass

class Strange:
    def __init__(self, root): pass

number = 3
"""
LISTED = """
[project.entry-points."pixmill.sources"]
empty = "zoo.scrape.sources:Empty"
strange = "zoo.scrape.sources:Strange"
number = "zoo.scrape.sources:number"
typo = "zoo.scrape.sources:Emty"
gone = "zoo.scrape.gone:Gone"
whole = "zoo.scrape:Whole"
elsewhere = "zoo.sources:Empty"
other = "zoo.train.sources:Empty"
broken = "zoo.scrape.broken:Broken"
"""
PARAMS = "classes: [cat, dog]\nscrape: {{snapshot: '2026-11-20', source: 'plugin:{}'}}"


@pytest.fixture
def root(tmp_path, plugin_imports):
    folder = tmp_path / "src/zoo/scrape"
    folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(LISTED)
    (folder / "sources.py").write_text(SOURCE)
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number", "sources.py has no function or class 'number'"),
        (
            "typo",
            "has no function or class 'Emty', the source 'typo' of pyproject.toml\nNext: edit ",
        ),
        (
            "gone",
            "src/zoo/scrape/gone.py is missing: pyproject.toml registers it as the source 'gone'",
        ),
        (
            "whole",
            (
                "src/zoo/scrape/__init__.py is missing: pyproject.toml registers it as the source "
                "'whole'"
            ),
        ),
        (
            "elsewhere",
            (
                "expected '<package>.scrape.<file>:<name>' for the source 'elsewhere', received "
                "'zoo.sources:"
            ),
        ),
        (
            "other",
            (
                "received 'zoo.train.sources:Empty'\nNext: move its file to src/<package>/scrape/, "
                "which dvc.yaml"
            ),
        ),
        (
            "emtpy",
            (
                "scrape.source: pyproject.toml registers no source 'emtpy'; it registers empty, "
                "strange, number, typo, "
            ),
        ),
        (
            "emtpy",
            (
                '\n[project.entry-points."pixmill.sources"]\nemtpy = "zoo.scrape.<file without '
                ".py>:<function or"
            ),
        ),
    ],
)
def test_wrong_plugins_are_refused_by_check_too(root, name, message):
    with pytest.raises(PluginError) as caught:
        load_plugin("sources", name, root)
    assert message in str(caught.value)
    found = [
        problem for problem in find_issues(root, parse_params(PARAMS.format(name))) if problem.stops
    ]
    assert [(problem.message, problem.next) for problem in found] == [
        (caught.value.message, caught.value.next)
    ]


def test_what_its_code_raises_keeps_its_traceback_and_says_whose_it_is(root):
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name") as caught:
        load_plugin("sources", "broken", root)
    assert caught.value.__notes__ == [
        (
            f"{root}/src/zoo/scrape/broken.py is the source 'broken' of pyproject.toml. After a "
            "fix: "
            "pixmill doctor --quick"
        )
    ]


def test_the_code_of_another_copy_of_the_project_is_not_taken_for_its_own(root, tmp_path_factory):
    load_plugin("sources", "strange", root)
    copy = tmp_path_factory.mktemp("copy")
    (copy / "src/zoo/scrape").mkdir(parents=True)
    for name in ("pyproject.toml", "src/zoo/scrape/sources.py"):
        (copy / name).write_text((root / name).read_text())
    with pytest.raises(
        PluginError, match=r"Python imports zoo\.scrape\.sources from .*, not from .*/copy"
    ):
        load_plugin("sources", "strange", copy)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "expected a method 'queries'"),
        ("strange", "expected a class derived from Source or"),
    ],
)
def test_a_class_that_is_no_source_is_refused(root, name, message):
    params = parse_params(PARAMS.format(name)).scrape
    opening = open_sources([f"plugin:{name}"], ["cat"], params, root=root)
    with pytest.raises(PluginError) as caught, opening:
        pass
    assert f"the source '{name}' (src/zoo/scrape/sources.py): {message}" in str(caught.value)


def test_a_digest_follows_from_code_and_other_files_of_the_stage(root):
    folder = root / "src/zoo/scrape"
    before = plugin_digest("sources", "empty", root)
    (folder / "sources.py").write_text(f"# A comment.\n{SOURCE}")
    (root / "src/zoo/validate").mkdir()
    (root / "src/zoo/validate/new.py").write_text("x = 1")
    assert plugin_digest("sources", "empty", root) == before
    changes = {"sources.py": SOURCE.replace("3", "4"), "table.csv": "a,b", "sub/more.py": "x = 1"}
    for name, text in changes.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        assert plugin_digest("sources", "empty", root) != before
        before = plugin_digest("sources", "empty", root)
