import asyncio
import time

import pytest
from yarl import URL

from pixmill.fetch.fetcher import retry_after
from pixmill.fetch.host import _MAX_HOSTS, MAX_FAILURES, Hosts, pause
from pixmill.fetch.values import FetchLimits, Politeness, Refused


def hosts(politeness=None, **limits):
    return Hosts(FetchLimits(**limits), politeness or Politeness())


def host(politeness=None, **limits):
    return hosts(politeness, **limits).of(URL("http://images.test/"))


async def starts(host, requests, start=None):
    """Return the start of each request, in seconds from ``start``, by default from now."""

    async def one():
        assert await host.enter() is None
        began = time.monotonic() - start
        host.leave()
        return began

    start = start or time.monotonic()
    return sorted(await asyncio.gather(*(one() for _ in range(requests))))


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_rate_spaces_requests_and_jitter_never_shortens_gaps(jitter):
    began = asyncio.run(starts(host(Politeness(rate=20.0, jitter=jitter)), 5))
    assert all(second >= number * 0.05 for number, second in enumerate(began))


@pytest.mark.parametrize("reason", ["http_429", "http_503", "connection", "timeout"])
def test_overloaded_host_gets_a_pause(reason):
    async def play():
        busy = host()
        start = time.monotonic()
        busy.record(Refused(reason), start)
        return await starts(busy, 2, start)

    assert min(asyncio.run(play())) >= 0.5


def test_waiting_requests_are_refused_after_a_long_retry_after():
    async def play():
        busy = host()
        busy.record(Refused("http_503", retry_after=0.2), time.monotonic())
        waiting = [asyncio.create_task(busy.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        busy.record(Refused("http_503", retry_after=3600.0), time.monotonic())
        return [(await task).reason for task in waiting]

    assert asyncio.run(play()) == ["busy"] * 3


def test_cancelled_wait_releases_its_connection():
    async def play():
        few = host(per_host=1, connections=1)
        assert await few.enter() is None
        waiting = asyncio.create_task(few.enter())
        await asyncio.sleep(0.01)
        waiting.cancel()
        few.leave()
        async with asyncio.timeout(60):
            assert await few.enter() is None

    asyncio.run(play())


def test_one_host_does_not_use_all_connections():
    async def play():
        both = hosts(per_host=2, connections=3)
        one = both.of(URL("http://one.test/"))
        other = both.of(URL("http://other.test/"))
        entering = [asyncio.create_task(one.enter()) for _ in range(5)]
        await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            assert await other.enter() is None
        done = [task for task in entering if task.done()]
        for task in entering:
            task.cancel()
        return len(done)

    assert asyncio.run(play()) == 2


@pytest.mark.parametrize(
    ("name", "left_alone"),
    [
        ("museum.example", True),
        ("www.museum.example", True),
        ("www.museum.example.", True),
        ("MUSEUM.example", True),
        ("amuseum.example", False),
        ("example", False),
        ("xn--bcher-kva.example", True),
    ],
)
def test_opt_out_includes_subdomains(name, left_alone):
    known = hosts(Politeness(opt_out=frozenset({"Museum.example", "bücher.example"})))
    objection = known.of(URL(f"http://{name}/")).objection
    assert (objection is not None) == left_alone
    if left_alone:
        assert objection.reason == "opted_out"


def test_number_of_hosts_in_memory_is_limited():
    known = hosts()
    for number in range(_MAX_HOSTS + 10):
        known.of(URL(f"http://h{number}.test/"))
    assert known._by_name.cache_info().currsize == _MAX_HOSTS


def test_pauses_double_up_to_the_maximum():
    assert [pause(failures, 0.5) for failures in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_pause_is_at_least_what_the_server_asks_for():
    assert [pause(1, 0.5, asked) for asked in (3.0, 0.1, 3600.0)] == [3.0, 0.5, 3600.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("soon", None),
        ("9" * 400, float("inf")),
        ("-1", None),
        ("², ", None),
    ],
)
def test_retry_after_in_seconds(header, seconds):
    assert retry_after(header) == seconds


@pytest.mark.parametrize(
    ("outcomes", "left_alone"),
    [
        (["connection"] * MAX_FAILURES, True),
        (["connection"] * (MAX_FAILURES - 1), False),
        (
            ["connection"] * (MAX_FAILURES - 1)
            + ["http_404"]
            + ["connection"] * (MAX_FAILURES - 1),
            False,
        ),
        (["connection"] * MAX_FAILURES + ["http_404"], True),
    ],
)
def test_only_failures_in_a_row_count(outcomes, left_alone):
    failing = host(first_pause=0.001)
    for reason in outcomes:
        failing.record(Refused(reason), time.monotonic())
    refused = asyncio.run(failing.enter())
    assert (refused.reason if refused else None) == ("host_down" if left_alone else None)
    assert not left_alone or refused.detail.endswith("last with: connection")


def test_concurrent_failures_count_once():
    failing = host()
    began = time.monotonic()
    for _ in range(64):
        failing.record(Refused("connection"), began)
    assert asyncio.run(failing.enter()) is None
