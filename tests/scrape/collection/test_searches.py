import copy

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Query
from pixmill.scrape.collection.searches import Search, plan_searches
from pixmill.scrape.sources.folder import FolderSource
from tests.scrape.invented import Invented


@pytest.fixture
def planned():
    """Return planned searches as (class, source, query text)."""

    def planned(classes, *sources, **params):
        names = {source.name: source for source in sources}
        given = {"source": tuple(names), "snapshot": "2026-11-20"} | params
        searches = plan_searches(classes, ScrapeParams(**given), names)
        return [(search.query.label, search.source.name, search.query.text) for search in searches]

    return planned


A = Invented({}, name="site:a")
B = Invented({}, name="site:b")


def test_plans_every_query_for_each_source(planned):
    assert planned(("hat", "boot"), A, B, queries={"hat": ["hat", "straw hat"]}) == [
        ("hat", "site:a", "hat"),
        ("hat", "site:b", "hat"),
        ("hat", "site:a", "straw hat"),
        ("hat", "site:b", "straw hat"),
        ("boot", "site:a", "boot"),
        ("boot", "site:b", "boot"),
    ]


def test_source_by_class(planned):
    found = planned(
        ("hat", "boot"), A, B, source="site:a", source_by_class={"boot": ["site:b", "site:a"]}
    )
    assert found == [
        ("hat", "site:a", "hat"),
        ("boot", "site:b", "boot"),
        ("boot", "site:a", "boot"),
    ]


def test_a_source_without_text_search_gets_one_query(planned, data):
    folder = FolderSource(data)
    assert planned(("hat",), folder, queries={"hat": ["a", "b"]}) == [
        ("hat", "folder", None),
        ("boot", "folder", None),
    ]


def test_undeclared_folders_come_last(planned, data):
    (data / "bot").mkdir()
    (data / "bot" / "1.png").write_bytes(b"")
    found = planned(("hat", "boot"), FolderSource(data))
    assert [label for label, _, _ in found] == ["hat", "boot", "bot"]


def test_names_of_searches_are_distinct():
    searches = [
        Search(source, query, fingerprint)
        for source in (A, B)
        for query in (
            Query("hat", "hat", "u"),
            Query("hat", "cap", "u"),
            Query("cap", "hat", "u"),
            Query("hat", "hat", "v"),
        )
        for fingerprint in ("", "shop 1")
    ]
    edited = copy.copy(A)
    edited.version = "the digest of a plugin's code"
    searches.append(Search(edited, Query("hat", "hat", "u"), ""))
    assert len({search.name for search in searches}) == len(searches)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hat", "hat (source 'site:a')"),
        (None, "hat (source 'site:a')"),
        ("cap", "hat (source 'site:a' 'cap')"),
    ],
)
def test_str_of_a_search(text, words):
    assert str(Search(A, Query("hat", text, "u"), "")) == words
