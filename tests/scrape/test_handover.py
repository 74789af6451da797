from concurrent.futures import Future

import pytest

from pixmill.scrape import handover
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.handover import Handover


class Fetching:
    """Stands for the fetching: it is done when somebody waits for it, and each address is another picture."""

    def __init__(self, ids=(), same=()):
        self.ids, self.same = set(ids), set(same)
        self.batches, self.waited, self.most = [], 0, 0

    def begin(self, batch):
        self.batches.append([candidate.rank for candidate in batch])
        self.most = max(self.most, len(self.batches) - self.waited)
        return Future()

    def wait(self, _begun):
        self.ids |= {f"picture {rank}" for rank in self.batches[self.waited] if rank not in self.same}
        self.waited += 1


@pytest.fixture
def take(monkeypatch):
    """Hand over so many candidates, as long as there are not enough; return what was begun, and the handover."""
    monkeypatch.setattr(handover, "_BATCH_SECONDS", 60.0)  # however busy the machine is

    def take(count, fetching=None, *, per_class=None, per_query=None, keep=True):
        fetching = fetching or Fetching()
        handed = Handover(
            fetching.begin, fetching.wait, fetching.ids, per_class=per_class, per_query=per_query, keep=keep
        )
        for rank in range(count):
            handed.take(Candidate("hat", None, rank, f"http://x.test/{rank}"))
            if handed.is_full() or handed.is_limited():
                break
        handed.finish()
        assert fetching.waited == len(fetching.batches)
        return fetching, handed

    return take


def test_what_comes_quickly_goes_together(take):
    fetching, handed = take(600)
    assert [len(batch) for batch in fetching.batches] == [256, 256, 88]
    assert [rank for batch in fetching.batches for rank in batch] == list(range(600))
    assert [candidate.rank for candidate in handed.candidates] == list(range(600))


def test_what_comes_slowly_waits_for_nothing(take, monkeypatch):
    monkeypatch.setattr(handover, "_BATCH_SECONDS", 0.0)
    assert take(3)[0].batches == [[0], [1], [2]]


def test_few_batches_are_under_way_however_many_there_are(take, monkeypatch):
    monkeypatch.setattr(handover, "_BATCH", 2)
    fetching, handed = take(100, keep=False)
    assert fetching.most == handover._AHEAD + 1
    assert (handed.candidates, handed.taken) == ([], 100)


def test_nothing_is_begun_behind_the_last_that_is_wanted(take):
    """Five are wanted, and one is known: no four candidates are begun without need."""
    fetching, handed = take(100, Fetching(ids=["known"], same=[0, 2]), per_class=5)
    assert fetching.batches == [[0, 1, 2, 3], [4, 5]]
    assert handed.is_full()


def test_a_limit_of_candidates(take):
    fetching, handed = take(100, per_query=3)
    assert fetching.batches == [[0, 1, 2]]
    assert handed.is_limited()
    assert not handed.is_full()


def test_nothing_at_all(take):
    fetching, handed = take(0, per_class=5, per_query=3)
    assert fetching.batches == []
    assert not handed.is_full()
    assert not handed.is_limited()
