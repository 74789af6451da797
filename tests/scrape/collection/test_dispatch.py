from concurrent.futures import Future

import pytest

from pixmill.scrape.candidate import Candidate
from pixmill.scrape.collection import dispatch
from pixmill.scrape.collection.dispatch import Dispatcher
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.quota import Quota


class Fetching:
    """Stands for the fetching: it is done when somebody waits for it, and each address is another image."""

    def __init__(self, ids=(), same=()):
        self.ids, self.same = ids, same
        self.batches, self.waited, self.most = [], 0, 0

    def begin(self, batch):
        self.batches.append([candidate.rank for candidate in batch])
        self.most = max(self.most, len(self.batches) - self.waited)
        return Future()

    def wait(self, _begun):
        for rank in self.batches[self.waited]:
            if rank not in self.same:
                self.quota.add(StoredImage(f"image {rank}", 1, "png"))
        self.waited += 1


@pytest.fixture
def take(monkeypatch):
    """Hand over so many candidates, as long as there are not enough; return what was begun, and the dispatch."""
    monkeypatch.setattr(dispatch, "_BATCH_SECONDS", 60.0)  # however busy the machine is

    def take(count, fetching=None, *, per_class=None, per_query=None, keep=True):
        fetching = fetching or Fetching()
        fetching.quota = Quota(per_class, fetching.ids)
        dispatcher = Dispatcher(fetching.begin, fetching.wait, fetching.quota, per_query, keep=keep)
        for rank in range(count):
            if not dispatcher.take(Candidate("hat", None, rank, f"http://x.test/{rank}")):
                break
        dispatcher.finish()
        assert fetching.waited == len(fetching.batches)
        return fetching, dispatcher

    return take


def test_what_comes_quickly_goes_together(take):
    fetching, dispatcher = take(600)
    assert [len(batch) for batch in fetching.batches] == [256, 256, 88]
    assert [rank for batch in fetching.batches for rank in batch] == list(range(600))
    assert [candidate.rank for candidate in dispatcher.candidates] == list(range(600))


def test_few_batches_are_under_way_however_many_there_are(take, monkeypatch):
    monkeypatch.setattr(dispatch, "_BATCH", 2)
    fetching, dispatcher = take(100, keep=False)
    assert fetching.most == dispatch._AHEAD + 1
    assert (dispatcher.candidates, dispatcher.taken) == ([], 100)


def test_nothing_is_begun_behind_the_last_that_is_wanted(take):
    """Five are wanted, and one is known: no four candidates are begun without need."""
    fetching, dispatcher = take(100, Fetching(ids=["known"], same=[0, 2]), per_class=5)
    assert fetching.batches == [[0, 1, 2, 3], [4, 5]]
    assert dispatcher.quota.is_full


def test_a_limit_of_candidates(take):
    fetching, dispatcher = take(100, per_query=3)
    assert fetching.batches == [[0, 1, 2]]
    assert dispatcher.is_limited()
    assert not dispatcher.quota.is_full
