"""Killed runs and browsers: the next run has the same outputs and fetches nothing twice."""

import contextlib
import time

import psutil
import pytest
from yarl import URL

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import StoredImage
from pixmill.scrape.collection.collector import address_of
from pixmill.scrape.journal import Journal
from tests.scrape.acts.project import is_image
from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.photos import FAULTS
from tests.scrape.replicas.world import World

pytestmark = [pytest.mark.browser, pytest.mark.linux]

SITES = ("google", "bing")
STABLE_FAULTS = {fault: share for fault, share in FAULTS.items() if fault != "dead"}
"""Without dead hosts, whose last request before they are skipped depends on timing."""


def prepared(project, world, name, **params):
    made = project(world, name)
    made.hurry(*SITES)
    made.params("hat", source=SITES, browsers=2, **params)
    return made


def settled(made, urls):
    """Return the logged URLs with a final outcome in the journal of a killed run."""
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
    """Return a URL as in the log."""
    parsed = URL(url)
    return f"{parsed.scheme}://{parsed.host}{parsed.path}" + (
        f"?{parsed.query_string}" if parsed.query_string else ""
    )


def fetched(log, since=0):
    return [visit.url for visit in log.visits()[since:] if is_image(visit)]


def addresses(made):
    sightings = made.sightings()
    return {*sightings["image_url"].dropna(), *sightings["thumbnail_url"].dropna()}


def killed(made, moment):
    """Start the stage, kill it once ``moment()`` is true; return whether it was running."""
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


def after(log, visits):
    """Return a function that is true after so many more visits."""
    start = len(log.visits())
    return lambda: len(log.visits()) - start >= visits


def browsers(process):
    """Return the main processes of browsers started by a stage."""
    found = []
    for one in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = one.parent()
            if parent and "chrom" in one.name() and "driver" in parent.name():
                found.append(one)
    return found


@pytest.mark.slow
def test_resumes_after_a_kill_and_lost_browsers(project):
    with World(Google(22), Bing(40), faults=STABLE_FAULTS) as world:
        undisturbed = prepared(project, world, "undisturbed")
        undisturbed.succeed()
        made = prepared(project, world, "killed")
        urls = addresses(undisturbed)
        begun = len(world.log.visits())
        assert killed(made, lambda: len(fetched(world.log, begun)) > 30)
        assert (known := settled(made, urls))
        since = len(world.log.visits())
        searching = after(world.log, 10)
        with made.started() as process:
            while not (searching() and (found := browsers(process))):
                assert process.poll() is None, process.communicate()
                time.sleep(0.002)
            for browser in found:
                browser.kill()
            _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        assert known.isdisjoint(fetched(world.log, since))
        assert made.outputs() == undisturbed.outputs()
        assert made.leftovers() == []
