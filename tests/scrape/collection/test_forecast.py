import re

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.scrape.collection.preview import forecast


@pytest.fixture
def look_ahead(tmp_path, data):
    def look_ahead(classes=("hat",), **params):
        params = ScrapeParams(**{"snapshot": "2026-11-20"} | params)
        return forecast(classes, params, root=tmp_path, scratch=tmp_path / ".pixmill" / "scrape")

    return look_ahead


@pytest.fixture
def after(visit, look_ahead, monkeypatch):
    """Scrape from a fake source, then forecast the same scrape without access to it."""

    def after(source, **params):
        visit(source, **params)
        monkeypatch.setitem(
            forecast.__globals__, "make_sources", lambda *_, **__: {source.name: source}
        )
        source.answers = None
        return look_ahead(source=source.name, **{"expect_at_least": 0} | params)

    return after


def test_each_search_is_named(look_ahead):
    lines = look_ahead(
        ("hat", "boot"), source=("openverse", "wikimedia"), queries={"hat": ["straw hat", "cap"]}
    )
    assert [line.split(" ")[0:2] for line in lines[:-1]] == [
        ["hat:", "openverse"],
        ["hat:", "wikimedia"],
        ["hat:", "openverse"],
        ["hat:", "wikimedia"],
        ["boot:", "openverse"],
        ["boot:", "wikimedia"],
    ]
    assert all(line.endswith("(to visit)") for line in lines[:-1])
    assert re.match(r"Estimated time: about \d+ minutes, if sites respond", lines[-1])


def test_names_missing_folders(look_ahead, data):
    lines = look_ahead(("hat", "cap"), source="folder")
    assert lines == [
        "hat: folder data/hat (on this machine)",
        "cap: folder data/cap (data/cap is missing)",
        "boot: folder data/boot (on this machine)",
        "Nothing to visit: everything has been fetched or is on this machine.",
    ]


def test_counts_only_urls_missing_from_the_journal(look_ahead, run, web, hats, tmp_path):
    web.answers["/0"] = (b"", {}, 404)
    given = {"source": "urls", "urls": {"files": ["list.csv"]}}
    rows = "".join(f"{url},hat\n" for url in hats)
    (tmp_path / "list.csv").write_text(f"url,label\n{rows}")
    run(("hat",), web.network, rate=None, **given)
    assert look_ahead(**given) == [
        "hat: urls list.csv (10 URLs in the lists, 0 still to fetch)",
        "Nothing to visit: everything has been fetched or is on this machine.",
    ]
    (tmp_path / "list.csv").write_text(f"url,label\n{rows}{hats[0]}?more,hat\n{hats[0]}?most,hat\n")
    lines = look_ahead(**given)
    assert lines[0].endswith("(12 URLs in the lists, 2 still to fetch)")
    assert lines[1].startswith("Estimated time: about 1 minute, ")


def test_writes_nothing(look_ahead, tmp_path):
    look_ahead(source="openverse")
    assert not (tmp_path / ".pixmill").exists()


def test_reuses_stored_results(after, invented, hats):
    lines = after(invented({"hat": hats}))
    assert (
        lines[0]
        == "hat: site:invented http://invented.test/?q=hat (10 candidates from an earlier run)"
    )
    assert lines[-1].startswith("Nothing to visit")


@pytest.mark.parametrize("params", [{"snapshot": "2026-11-21"}, {"expect_at_least": 11}])
def test_visits_sites_that_a_run_would_query_again(after, look_ahead, invented, hats, params):
    source = invented({"hat": hats})
    after(source)
    lines = look_ahead(source=source.name, **{"expect_at_least": 0} | params)
    assert lines[0].endswith("(to visit)")


def test_a_higher_limit_needs_a_visit(after, look_ahead, invented, hats):
    source = invented({"hat": hats})
    after(source, per_query=3)
    assert look_ahead(source=source.name, expect_at_least=0)[0].endswith("(to visit)")
    assert look_ahead(source=source.name, per_query=2, expect_at_least=0)[-1].startswith(
        "Nothing to visit"
    )
