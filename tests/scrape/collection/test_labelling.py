"""Images with several labels, of all sources together."""

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import EVERY, Candidate, Query, Sighting, StoredImage
from pixmill.scrape.collection.labelling import LABELLINGS
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.collection.tally import ScrapeTally
from tests.scrape.invented import Invented

WEB = Invented({}, name="site:web")
HAT = Search(WEB, Query("hat", "hat", "u"), "")
RED = Search(WEB, Query("red", "red", "u"), "")
TABLE = Search(Invented({}, name="table"), Query(EVERY, None, "data"), "")
SEEN = [
    (HAT, "hat", "a"),
    (RED, "red", "a"),
    (HAT, "hat", "b"),
    (TABLE, '{"hat":false,"red":true}', "b"),
    (HAT, "hat", "b"),
    (TABLE, '{"boot":false}', "c"),
]


@pytest.fixture
def tally():
    labelling = LABELLINGS["labels"]
    params = ScrapeParams(snapshot="2026-11-20")
    tally = ScrapeTally(("red", "hat", "boot", "sock"), [HAT, RED, TABLE], params, labelling)
    for rank, (search, label, name) in enumerate(SEEN):
        found = Candidate(labelling.text(label), None, rank, f"http://a.test/{rank}")
        image = StoredImage(name * 64, 10, "png")
        tally.add(search, Sighting(search.source.name, found, image))
    return tally


def test_merges_what_sightings_say(tally):
    labels = [tally.label(name * 64) for name in "abcd"]
    assert labels == ['{"hat":true,"red":true}', '{"red":true}', '{"boot":false}', None]
    assert tally.conflicts == 1
    assert tally.labels() == ["hat", "red", "boot", "sock"]
    assert tally.empty_classes == ["sock"]


def test_counts_an_image_for_each_label_it_has(tally):
    per_class = tally.metrics()["per_class"]
    assert {label: sum(of.values(), 0) for label, of in _images(per_class).items()} == {
        "hat": 3,
        "red": 2,
    }
    assert tally.metrics()["fetched"] == 6


def _images(per_class):
    return {
        label: {
            source: sum(counts["fetched"] for counts in hosts.values())
            for source, hosts in of.items()
        }
        for label, of in per_class.items()
    }
