"""Search engines together, from the pages to the manifest and the metrics."""

import hashlib
from collections import defaultdict

import pytest

from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.world import World
from tests.scrape.replicas.yahoo import Yahoo

pytestmark = pytest.mark.browser

ENGINES = {"bing": Bing, "google": Google, "yahoo": Yahoo}
QUERY = "red hat"


def digest(world, result):
    """Return the id of a result's original."""
    return hashlib.sha256(world.images.original_bytes(result.image)).hexdigest()


def own(sightings, name):
    return sightings[sightings["source"] == name]


def check_engine(world, sightings, name):
    """Check that the originals of an engine are stored without needless thumbnails."""
    rows = own(sightings, name)
    assert list(rows["rank"]) == list(range(len(rows)))
    assert set(rows["query"]) == {QUERY}
    truth = {
        result.original_url: result for result in world.results(name, QUERY) if result.deliverable
    }
    stored = rows[rows["image_url"].isin(truth) & rows["reason"].isna()]
    assert len(stored) >= 0.99 * len(truth)
    ranks = [truth[url].rank for url in stored["image_url"]]
    assert ranks == sorted(ranks)
    for row in stored.itertuples():
        result = truth[row.image_url]
        assert row.id == digest(world, result)
        assert (row.page_url, row.title) == (result.page_url, result.title)
    asked = {
        one.original_url
        for one in world.results(name, QUERY)
        if world.images.fault(one.image) == "noai"
    }
    assert rows[rows["image_url"].isin(asked)]["id"].isna().all()
    small = {result.thumbnail_url for result in truth.values()}
    assert not (
        rows["thumbnail"] & (rows["image_url"].isin(truth) | rows["thumbnail_url"].isin(small))
    ).any()


@pytest.mark.slow
def test_manifest_merges_the_sightings_of_all_engines(project):
    names = tuple(ENGINES)
    total = 30
    with World(*(ENGINES[name](total) for name in names), overlap=0.3, pace=0.02) as world:
        made = project(world)
        made.hurry(*names, smooth=False)
        made.params("hat", source=names, queries={"hat": [QUERY]}, browsers=len(names))
        made.succeed()
        assert made.leftovers() == []
    sightings = made.sightings()
    manifest = made.manifest()
    for name in names:
        check_engine(world, sightings, name)
    known = sightings.dropna(subset="id")
    assert not manifest["id"].duplicated().any()
    assert set(manifest["id"]) == set(known["id"])
    seen = (
        known[~known["thumbnail"]].groupby("id")["source"].agg(lambda sources: frozenset(sources))
    )
    given = defaultdict(set)
    for name in names:
        for result in world.results(name, QUERY):
            if result.deliverable:
                given[digest(world, result)].add(name)
    assert sum(len(givers) > 1 for givers in given.values()) >= 0.2 * total
    assert sum(seen.get(one) == givers for one, givers in given.items()) >= 0.99 * len(given)
    # The manifest has the source of the first sighting.
    first = known.groupby("id")["source"].first()
    assert (manifest.set_index("id")["source"] == first).all()
