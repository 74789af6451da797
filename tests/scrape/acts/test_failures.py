"""Failing sites: each failure is named and its page saved, and other results are kept."""

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
"""Failures without a saved page."""


@dataclass(frozen=True)
class Bad:
    """A failing site and the expected failure.

    Args:
        mode: Mode of the switchboard.
        failure: Kind of the failure.
        sign: Part of the message.
        options: Options of the mode.
        host: The only host of the site in this mode; default: all.
    """

    mode: str
    failure: str
    sign: str
    options: Mapping[str, object] = field(default_factory=dict)
    host: str | None = None


def fail(project, world, bad, *, good=(), **params):
    """Scrape a class from good and bad sites; check that each failure is named."""
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
    assert {name: queries[name]["hat"]["failure"] for name in bad} == {
        name: one.failure for name, one in bad.items()
    }
    assert {queries[name]["hat"]["failure"] for name in good} <= {None}
    check_messages(made, done, bad)
    return made, done


def check_messages(made, done, bad):
    """Check that the message and the page name each failure and its saved page."""
    lines = re.finditer(r"^(?:scrape: )?hat \(source '(\w+)'\): (.*)$", done.error, re.MULTILINE)
    messages = {line[1]: line[2] for line in lines}
    assert messages.keys() == bad.keys()
    report = made.report()
    folders = []
    for name, one in bad.items():
        assert one.sign in messages[name], messages[name]
        assert f'<span class="badge bad">{one.failure.replace("_", " ")}</span>' in report
        if one.failure not in NO_PAGE:
            folders += re.findall(r"\.pixmill/scrape/evidence/\w+", messages[name])
    assert (
        len(set(folders)) == len(folders) == sum(one.failure not in NO_PAGE for one in bad.values())
    )
    for folder in folders:
        assert f"<code>{folder}</code>" in report
        assert (made.root / folder / "page.html").stat().st_size > 20
        with Image.open(made.root / folder / "page.png") as screenshot:
            assert min(screenshot.size) > 100


BAD = {
    "google": Bad("sorry429", "captcha", "shows a CAPTCHA"),
    "yahoo": Bad(
        "robots_disallow", "robots", "disallowed by robots.txt", host="images.search.yahoo.com"
    ),
}


@pytest.mark.slow
def test_names_each_failure_and_keeps_the_rest(project):
    with World(*(SITES[name](24) for name in ("bing", *BAD))) as world:
        made, done = fail(project, world, BAD, good=["bing"])
        assert set(made.manifest()["source"]) == {"bing"}
        assert len(made.manifest()) >= 20
        # Tolerated failures are printed, and the page shows robots.txt overrides.
        sources = ("bing", "google", "yahoo")
        made.params(
            "hat", source=sources, tolerate=0.4, robots_exceptions=["images.search.yahoo.com"]
        )
        world.log.clear()
        done = made.succeed()
        assert re.search(
            r"^scrape: tolerated: hat \(source 'google'\): .*shows a CAPTCHA",
            done.output,
            re.MULTILINE,
        )
        assert "robots.txt overrides" in made.report()
        assert "<code>images.search.yahoo.com</code>" in made.report()
        queries = made.metrics()["per_query"]["hat"]
        assert [queries[name]["hat"]["failure"] for name in sources] == [None, "captcha", None]
        assert set(made.manifest()["source"]) == {"bing", "yahoo"}
        # Bing's results are reused.
        assert world.log.visits("www.bing.com") == []
        assert made.leftovers() == []
