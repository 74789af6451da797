import asyncio
import email.utils
import time

import pytest
from yarl import URL

from pixmill.web.fetch.exchange import retry_after
from pixmill.web.fetch.host import _KEPT, LONGEST, PATIENCE, Hosts, pause
from pixmill.web.fetch.values import FetchLimits, Politeness, Refused


def hosts(politeness=None, **limits):
    return Hosts(FetchLimits(**limits), politeness or Politeness())


def host(politeness=None, **limits):
    return hosts(politeness, **limits).of(URL("http://images.test/"))


async def starts(host, requests, start=None):
    """Return when each of some requests starts, in seconds from a moment, by default from now."""

    async def one():
        assert await host.enter() is None
        began = time.monotonic() - start
        host.leave()
        return began

    start = start or time.monotonic()
    return sorted(await asyncio.gather(*(one() for _ in range(requests))))


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_rate_spaces_the_requests_and_jitter_never_shortens_the_gaps(jitter):
    began = asyncio.run(starts(host(Politeness(rate=20.0, jitter=jitter)), 5))
    assert all(second >= number * 0.05 for number, second in enumerate(began))


def test_a_rate_holds_where_connections_are_few():
    """Waiting for a connection of all hosts' does not save up turns."""

    async def play():
        both = hosts(Politeness(rate=20.0, jitter=0.0), connections=1)
        other = both.of(URL("http://other.test/"))
        assert await other.enter() is None
        start = time.monotonic()
        waiting = asyncio.create_task(starts(both.of(URL("http://images.test/")), 3, start))
        await asyncio.sleep(0.2)
        other.leave()
        return await waiting

    assert asyncio.run(play())[-1] >= 0.2 + 2 * 0.05


@pytest.mark.parametrize("reason", ["http_429", "http_503", "connection", "timeout"])
def test_a_host_that_struggles_gets_a_pause(reason):
    async def play():
        busy, start = host(), time.monotonic()
        busy.learn(Refused(reason), start)
        return await starts(busy, 2, start)

    assert min(asyncio.run(play())) >= 0.5


@pytest.mark.parametrize("reason", ["http_404", "http_403", "http_410", "tls", "too_large", "x_robots_tag"])
def test_other_answers_are_no_reason_for_a_pause(reason):
    async def play():
        well = host()
        for _ in range(PATIENCE * 2):
            well.learn(Refused(reason), time.monotonic())
        return await starts(well, 2)

    assert max(asyncio.run(play())) < 5.0


def test_whoever_waits_for_a_turn_learns_that_there_will_be_none():
    async def play():
        busy = host()
        busy.learn(Refused("http_503", retry_after=0.2), time.monotonic())
        waiting = [asyncio.create_task(busy.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        busy.learn(Refused("http_503", retry_after=3600.0), time.monotonic())
        return [(await task).reason for task in waiting]

    assert asyncio.run(play()) == ["busy"] * 3


def test_places_of_one_who_gave_up_waiting_are_free_again():
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


def test_requests_to_one_host_leave_room_for_others():
    async def play():
        both = hosts(per_host=2, connections=3)
        one, other = both.of(URL("http://one.test/")), both.of(URL("http://other.test/"))
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
def test_the_opt_out_list_is_for_hosts_with_all_below_them(name, left_alone):
    known = hosts(Politeness(opt_out=frozenset({"Museum.example", "bücher.example"})))
    objection = known.of(URL(f"http://{name}/")).objection
    assert (objection is not None) == left_alone
    if left_alone:
        assert objection.reason == "opted_out"


def test_a_host_that_is_asked_for_now_and_then_is_not_forgotten():
    known = hosts()
    down = URL("http://down.test/")
    for _ in range(PATIENCE):
        known.of(down).learn(Refused("connection"), time.monotonic())
    for number in range(2 * _KEPT):
        known.of(URL(f"http://h{number}.test/"))
        if number % 100 == 0:
            known.of(down)
    assert asyncio.run(known.of(down).enter()).reason == "host_down"


def test_a_name_with_a_dot_is_the_same_host():
    known = hosts()
    assert known.of(URL("http://images.test/")) is known.of(URL("https://images.test.:444/x"))


def test_memory_of_hosts_is_bounded():
    known = hosts()
    for number in range(_KEPT + 10):
        known.of(URL(f"http://h{number}.test/"))
    assert known._named.cache_info().currsize == _KEPT


def test_pauses_double_up_to_the_longest():
    assert [pause(failures, 0.5) for failures in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, LONGEST, LONGEST]


def test_a_pause_is_never_shorter_than_the_server_asks_for():
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
def test_seconds(header, seconds):
    assert retry_after(header) == seconds


def test_a_date():
    assert retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=20)
    assert retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0.0


@pytest.mark.parametrize(
    ("outcomes", "left_alone"),
    [
        (["connection"] * PATIENCE, True),
        (["connection"] * (PATIENCE - 1), False),
        (["connection"] * (PATIENCE - 1) + ["http_404"] + ["connection"] * (PATIENCE - 1), False),
        (["connection"] * PATIENCE + ["http_404"], True),
    ],
)
def test_failures_in_a_row_count(outcomes, left_alone):
    failing = host(first_pause=0.001)
    for reason in outcomes:
        failing.learn(Refused(reason), time.monotonic())
    refused = asyncio.run(failing.enter())
    assert (refused.reason if refused else None) == ("host_down" if left_alone else None)
    assert not left_alone or refused.detail.endswith("last with: connection")


def test_requests_that_fail_together_count_once():
    failing, began = host(), time.monotonic()
    for _ in range(64):
        failing.learn(Refused("connection"), began)
    assert asyncio.run(failing.enter()) is None
