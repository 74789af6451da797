"""Sources by name."""

import pytest

from pixmill.core.params import SOURCES, ScrapeParams
from pixmill.scrape.sources.source_list import open_sources


@pytest.mark.parametrize("name", SOURCES)
def test_opens_every_source(tmp_path, name):
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "1.png").write_bytes(b"")
    (tmp_path / "list.csv").write_text("url,label\n")
    params = ScrapeParams(snapshot="2026-11-20", urls={"files": ["list.csv"]})
    with open_sources([name], ["cat"], params, root=tmp_path) as opened:
        source = opened.sources[name]
    assert source.name == name


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [({}, 10_000), ({"per_query": 9}, 9), ({"per_class": 7, "per_query": 9}, 7)],
)
def test_limits_set_wanted_results(tmp_path, limits, wanted):
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "tiny.yaml").write_text(
        "{name: tiny, version: 1, checked: 2026-11-20, url: 'http://tiny.test/{query}', selectors: "
        "{item: [.card]}}"
    )
    params = ScrapeParams(snapshot="2026-11-20", **limits)
    with open_sources(["site:tiny"], ["cat"], params, root=tmp_path) as opened:
        assert opened.sources["site:tiny"].wanted == wanted
