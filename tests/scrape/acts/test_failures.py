"""What sites answer in the place of results: each named as what it is, with the page as evidence, and the rest kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from PIL import Image

from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.world import World
from tests.scrape.replicas.yahoo import Yahoo

pytestmark = pytest.mark.browser

SITES = {site.name: site for site in (Bing, Google, Yahoo)}
NO_PAGE = {"robots", "browser", "unreachable"}
"""What leaves nothing to look at; a site that is down does not tell its rules, without which nothing is opened."""


@dataclass(frozen=True)
class Bad:
    """What a site does in the place of results, and how that is to be told.

    Args:
        mode: A mode of the switchboard.
        failure: Its name in the account.
        sign: Words of the message.
        options: What the mode is given.
        host: The only host of the site that does it.
    """

    mode: str
    failure: str
    sign: str
    options: Mapping[str, object] = field(default_factory=dict)
    host: str | None = None


def fail(project, world, bad, *, good=(), **params):
    """Scrape a class from sites of which some misbehave; check that each is named for what it is."""
    names = (*good, *bad)
    for name, one in bad.items():
        world.switch(one.host or name, one.mode, **one.options)
    made = project(world)
    for name in names:
        made.hurry(name, smooth=False)
    made.params("hat", source=names, **params)
    done = made.run()
    assert done.code == 1
    assert "Traceback" not in done.error
    assert done.error.splitlines()[-1].startswith("Next: open reports/scrape.html")
    queries = made.metrics()["per_query"]["hat"]
    assert {name: queries[name]["hat"]["failure"] for name in bad} == {name: one.failure for name, one in bad.items()}
    assert {queries[name]["hat"]["failure"] for name in good} <= {None}
    check_told(made, done, bad)
    return made, done


def check_told(made, done, bad):
    """Check that the message and the report name each failure, and that there is something to look at."""
    lines = re.finditer(r"^(?:scrape: )?hat \(source '(\w+)'\): (.*)$", done.error, re.MULTILINE)
    told = {line[1]: line[2] for line in lines}
    assert told.keys() == bad.keys()
    report, folders = made.report(), []
    for name, one in bad.items():
        assert one.sign in told[name], told[name]
        assert f'<span class="badge bad">{one.failure.replace("_", " ")}</span>' in report
        if one.failure not in NO_PAGE:
            folders += re.findall(r"\.pixmill/scrape/evidence/\w+", told[name])
    assert len(set(folders)) == len(folders) == sum(one.failure not in NO_PAGE for one in bad.values())
    for folder in folders:
        assert f"<code>{folder}</code>" in report
        assert (made.root / folder / "page.html").stat().st_size > 20
        with Image.open(made.root / folder / "page.png") as screenshot:
            assert min(screenshot.size) > 100


BAD = {
    "google": Bad("sorry429", "captcha", "shows a CAPTCHA"),
    "yahoo": Bad("robots_disallow", "robots", "disallowed by robots.txt", host="images.search.yahoo.com"),
}


@pytest.mark.slow
def test_each_failure_is_named_and_the_rest_is_kept(project):
    with World(*(SITES[name](24) for name in ("bing", *BAD))) as world:
        made, done = fail(project, world, BAD, good=["bing"])
        assert set(made.manifest()["source"]) == {"bing"}
        assert len(made.manifest()) >= 20
        # What may fail is told, and the rest is taken; where robots.txt is set aside, the report says so.
        sources = ("bing", "google", "yahoo")
        made.params("hat", source=sources, tolerate=0.4, robots_exceptions=["images.search.yahoo.com"])
        world.log.clear()
        done = made.succeed()
        assert re.search(r"^scrape: tolerated: hat \(source 'google'\): .*shows a CAPTCHA", done.output, re.MULTILINE)
        assert "robots.txt overrides" in made.report()
        assert "<code>images.search.yahoo.com</code>" in made.report()
        queries = made.metrics()["per_query"]["hat"]
        assert [queries[name]["hat"]["failure"] for name in sources] == [None, "captcha", None]
        assert set(made.manifest()["source"]) == {"bing", "yahoo"}
        # Bing answered the first time.
        assert world.log.visits("www.bing.com") == []
        assert made.leftovers() == []
