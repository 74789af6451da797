"""Hosts of people's own sites, wikis and lists that are not public are named before the scrape refuses them."""

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.scrape import forecast
from pixmill.scrape.collection.reach import private_hosts
from pixmill.scrape.sources import open_sources

SITE = "{name: hats, version: 1, checked: 2026-11-20, url: '%s', selectors: {item: [.card]}}"


@pytest.fixture
def look(tmp_path):
    def look(url="http://127.0.0.1:8123/{query}", **given):
        (tmp_path / "sites").mkdir(exist_ok=True)
        (tmp_path / "sites" / "hats.yaml").write_text(SITE % url)
        params = ScrapeParams(**{"source": "site:hats", "snapshot": "2026-11-20"} | given)
        with open_sources(params.source, ("hat", "cap"), params, root=tmp_path) as opened:
            return private_hosts(opened.sources, ("hat", "cap"), params)

    return look


def refused(origin, address, entry):
    advice = f" (if the host is yours: scrape.allow_hosts: ['{entry}'])" if entry else ""
    return f"a scrape will refuse {origin}: {address} is not a public address{advice}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:8123/{query}", ("http://127.0.0.1:8123", "127.0.0.1", "127.0.0.1:8123")),
        ("https://localhost/{slug}/", ("https://localhost", "127.0.0.1", "localhost:443")),
        ("http://[::1]:81/{query}", ("http://[::1]:81", "::1", None)),
    ],
)
def test_a_site_on_a_private_host(look, url, said):
    [(source, sentence)] = look(url)
    assert source == "site:hats"
    assert sentence.replace("::1 is", "127.0.0.1 is") == refused(*said).replace("::1 is", "127.0.0.1 is")


def test_hosts_that_are_allowed_public_or_unknown_are_not_named(look):
    assert look(allow_hosts=("127.0.0.1:8123",)) == []
    assert look("http://93.184.215.14/{query}") == []
    assert look("http://nowhere.invalid/{query}") == []


def test_an_own_wiki(look):
    api = {"api": "http://10.0.0.7/w/api.php"}
    assert look(source="wikimedia", wikimedia=api) == [
        ("wikimedia", refused("http://10.0.0.7", "10.0.0.7", "10.0.0.7:80"))
    ]
    assert look(source="wikimedia") == []


def test_each_host_of_a_list_once(look, tmp_path):
    rows = "".join(f"http://10.0.0.7/{n}.png,hat\nhttp://93.184.215.14/{n}.png,hat\n" for n in range(30))
    (tmp_path / "list.csv").write_text(f"url,label\n{rows}ftp://10.0.0.8/x,hat\n")
    assert look(source="urls", urls={"files": ["list.csv"]}) == [
        ("urls", refused("http://10.0.0.7", "10.0.0.7", "10.0.0.7:80"))
    ]


def test_the_dry_run_says_it(look, tmp_path):
    look()
    lines = forecast(
        ("hat",), ScrapeParams(source="site:hats", snapshot="2026-11-20"), root=tmp_path, scratch=tmp_path / "scratch"
    )
    assert lines[1] == f"'site:hats': {refused('http://127.0.0.1:8123', '127.0.0.1', '127.0.0.1:8123')}"
