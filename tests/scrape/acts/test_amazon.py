"""Full-size images with titles and pages from the shop that people ask for first; its robot check by its name."""

import re

import pytest
from PIL import Image

from tests.scrape.acts.project import is_image
from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.world import World

pytestmark = pytest.mark.browser


def check_class(world, made, label):
    """Check that each product is there, in the shop's order, in the largest size that the shop has."""
    sightings = made.sightings()
    paths = made.manifest().set_index("id")["path"]
    rows = list(sightings[sightings["label"] == label].itertuples())
    results = world.results("amazon", label)
    assert [(row.title, row.page_url, row.image_url) for row in rows] == [
        (result.title, result.page_url, result.original_url) for result in results
    ]
    for row, result in zip(rows, results, strict=True):
        assert row.thumbnail is not result.deliverable
        if result.deliverable:
            with Image.open(made.root / "artifacts/scrape" / paths[row.id]) as image:
                assert image.size == (result.width, result.height)
        else:  # the list's own version, as large as the list has it
            assert row.reason == "http_404"


@pytest.mark.slow
def test_the_robot_check_is_named_what_was_found_is_kept_and_the_next_run_goes_on(project):
    with World(Amazon(total=90)) as world:
        made = project(world)
        made.hurry("amazon")
        made.params("sarees", source="amazon")
        world.switch("amazon", "robot_check", every=2)
        stopped = made.run()
        assert stopped.code == 1
        wrong = stopped.error[stopped.error.index("scrape: ") :]
        assert wrong.startswith("scrape: sarees (source 'amazon'): https://www.amazon.in/s?")
        assert "shows a CAPTCHA" in wrong
        assert "openverse and wikimedia" in wrong
        assert wrong.splitlines()[-1].startswith("Next: ")
        found = made.metrics()["per_query"]["sarees"]["amazon"]["sarees"]
        assert (found["failure"], 40 < found["candidates"] < 60) == ("captcha", True)
        assert len(made.manifest()) >= 40
        evidence = made.root / re.search(r"\.pixmill/scrape/evidence/\w+", made.report())[0]
        assert "/errors/validateCaptcha" in (evidence / "page.html").read_text(encoding="utf-8")
        with Image.open(evidence / "page.png") as screenshot:
            assert min(screenshot.size) > 100
        world.switch("amazon")
        fetched = {visit.url for visit in world.log.visits() if is_image(visit)}
        world.log.clear()
        made.succeed()
        check_class(world, made, "sarees")
        # The page is read again; its images are not fetched again.
        assert fetched.isdisjoint(visit.url for visit in world.log.visits() if is_image(visit))
        assert made.leftovers() == []
