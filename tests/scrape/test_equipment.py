import asyncio

import pytest

from pixmill.params import ScrapeParams
from pixmill.scrape.equipment import equip
from tests.scrape.invented import HOST


@pytest.fixture
def go_out(web, tmp_path):
    """Do something with the fetcher that some params give."""

    def go_out(work, *, served=None, network=None, **params):
        params = ScrapeParams(**{"snapshot": "2026-11-20"} | params)

        async def within():
            async with equip(params, served=served or {}, network=network, scratch=tmp_path) as (fetcher, _):
                return await work(fetcher)

        return asyncio.run(within())

    return go_out


def test_without_permission_nothing_on_this_machine_is_reached(go_out, web):
    outcome = go_out(lambda fetcher: fetcher.fetch(f"http://localhost:{web.port}/0"))
    assert outcome.reason == "private_address"
    assert web.requests == []


def test_who_is_allowed_is_reached(go_out, web, hats):
    allowed = (f"localhost:{web.port}",)
    assert go_out(lambda fetcher: fetcher.fetch(f"http://localhost:{web.port}/0"), allow_hosts=allowed).content


def test_what_sources_serve_is_reached_by_its_name(go_out, web, hats):
    assert go_out(lambda fetcher: fetcher.fetch(hats[0]), served={f"{HOST}:80": web.port}).content
    assert go_out(lambda fetcher: fetcher.fetch(hats[0]), network=web.network).content


def test_limits_and_manners_are_those_of_the_params(go_out, web, hats):
    def reason(**params):
        return go_out(lambda fetcher: fetcher.fetch(hats[0]), network=web.network, **params).reason

    assert reason(max_bytes=10) == "too_large"
    assert reason(opt_out=(HOST,)) == "opted_out"
    web.answers["/robots.txt"] = b"User-agent: *\nDisallow: /"
    assert reason() == "robots"
    assert go_out(
        lambda fetcher: fetcher.fetch(hats[0]), network=web.network, robots_exceptions=(HOST,), contact="me@x.test"
    ).content
    assert "(+me@x.test)" in web.requests[-1].headers["User-Agent"]


def test_our_own_hosts_need_no_pauses(go_out, web, hats):
    async def all_of_them(fetcher):
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(fetcher.fetch(url) for url in hats))
        return asyncio.get_running_loop().time() - began

    assert go_out(all_of_them, served={f"{HOST}:80": web.port}, rate=4.0) < 1.5
    assert go_out(all_of_them, network=web.network, rate=8.0) > 9 / 8
