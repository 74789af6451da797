"""What may befall a run: it ends all the same, or the next one does, with the same bytes and nothing fetched twice."""

import contextlib
import random
import time

import psutil
import pytest
from yarl import URL

from pixmill.core.params import ScrapeParams
from pixmill.scrape.collection.judge import address_of
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.journal import Journal
from tests.scrape.acts.project import is_image
from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.photos import FAULTS
from tests.scrape.replicas.world import World

pytestmark = [pytest.mark.browser, pytest.mark.linux]

SITES = ("google", "bing")
STAYING = {fault: share for fault, share in FAULTS.items() if fault != "dead"}
"""Without hosts that never answer: which request is the last before they are left alone is a matter of moments."""


def prepared(project, world, name, **params):
    made = project(world, name)
    made.hurry(*SITES)
    made.params("hat", source=SITES, browsers=2, **params)
    return made


def settled(made, urls):
    """Return the addresses, as the log calls them, of which the journal of a run that was killed knows the end."""
    if made.journal() is None:
        return set()
    with Journal(made.journal().parent, ScrapeParams(snapshot="2026-11-20")) as journal:
        outcomes = {url: journal.outcome(address_of("", url)) for url in urls}
    return {
        named(url)
        for url, outcome in outcomes.items()
        if isinstance(outcome, StoredImage) or (outcome is not None and not outcome.transient)
    }


def named(url):
    """Return an address as the log writes it."""
    parsed = URL(url)
    return f"{parsed.scheme}://{parsed.host}{parsed.path}" + (f"?{parsed.query_string}" if parsed.query_string else "")


def fetched(log, since=0):
    return [visit.url for visit in log.visits()[since:] if is_image(visit)]


def addresses(made):
    sightings = made.sightings()
    return {*sightings["image_url"].dropna(), *sightings["thumbnail_url"].dropna()}


def killed(made, moment):
    """Start the stage and kill it at a moment; return whether it lived to see it. Nothing that it started lives on."""
    with made.started() as process:
        while not moment():
            if process.poll() is not None:
                return False
            time.sleep(0.002)
        begun = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
    _, alive = psutil.wait_procs(begun, timeout=60)
    assert alive == []
    return True


def after(log, visits, pause):
    """Return a moment: so many more visits, and then a pause of some seconds."""
    start, deadline = len(log.visits()), []

    def moment():
        if not deadline and len(log.visits()) - start >= visits:
            deadline.append(time.monotonic() + pause)
        return bool(deadline) and time.monotonic() >= deadline[0]

    return moment


@pytest.mark.slow
def test_killed_again_and_again(project):
    kills = 2
    with World(Google(22), Bing(40), faults=STAYING) as world:
        undisturbed = prepared(project, world, "undisturbed")
        undisturbed.succeed()
        urls, visits = addresses(undisturbed), len(world.log.visits())
        made, rng = prepared(project, world, "killed"), random.Random(7)
        moments = [lambda: after(world.log, rng.randrange(1, visits // 3), rng.random()) for _ in range(kills - 1)]
        moments.append(lambda: lambda: any(made.root.glob("artifacts/scrape/images/*/*")))
        known, lived = set(), 0
        for moment in moments:
            since = len(world.log.visits())
            lived += killed(made, moment())
            assert known.isdisjoint(fetched(world.log, since))
            known |= settled(made, urls)
        since = len(world.log.visits())
        made.succeed()
        assert known.isdisjoint(fetched(world.log, since))
        assert made.outputs() == undisturbed.outputs()
        assert made.leftovers() == []
        assert lived >= kills / 2
        assert len(known) > 20


def browsers(process):
    """Return the browsers that a stage has started, by the process that has the window."""
    found = []
    for one in psutil.Process(process.pid).children(recursive=True):
        # A browser's own helpers come and go.
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = one.parent()
            if parent and "chrom" in one.name() and "driver" in parent.name():
                found.append(one)
    return found


@pytest.mark.slow
def test_a_browser_that_is_killed_is_replaced(project):
    with World(Bing(60), faults=STAYING) as world:
        undisturbed, made = (project(world, name) for name in ("undisturbed", "killed"))
        for one in (undisturbed, made):
            one.hurry("bing")
            one.params("hat", source="bing")
        undisturbed.succeed()
        reached = after(world.log, 40, 0.0)
        with made.started() as process:
            while not reached():
                assert process.poll() is None, process.communicate()
                time.sleep(0.002)
            [browser] = browsers(process)
            browser.kill()
            assert process.wait(120) == 0, process.communicate()
            process.communicate()
        pages = [visit for visit in world.log.visits("www.bing.com", "/images/search") if visit.status == 200]
        assert len(pages) == 3
        assert made.outputs() == undisturbed.outputs()
        assert made.leftovers() == []
