"""The page says why the accuracy moved, and does not wait for it."""

import threading
from types import SimpleNamespace

from pixmill.experiments.compare import comparing
from pixmill.experiments.compare.comparison import NotComparableError
from pixmill.project.page.moving import find_moved
from tests.waiting import until

HISTORY = [{"commit": "a", "subject": "First"}, {"commit": None, "subject": ""}]


def test_the_reason_is_read_beside_the_page(tmp_path, monkeypatch):
    may_answer = threading.Event()
    asked = []

    def read(root, *names):
        asked.append(names)
        assert may_answer.wait(10)
        if names[0] == "lost":
            raise NotComparableError
        return SimpleNamespace(sentence="" if names[0] == "same" else "Worse.")

    monkeypatch.setattr(comparing, "read_shift", read)
    assert find_moved(tmp_path, HISTORY[:1]) is None
    assert find_moved(tmp_path, HISTORY) is None
    may_answer.set()
    moved = until(lambda: find_moved(tmp_path, HISTORY))
    assert moved == {"since": "First", "sentence": "Worse."}
    assert asked == [("a", None)]
    for name in ("same", "lost"):
        history = [{"commit": name, "subject": ""}, HISTORY[1]]
        assert find_moved(tmp_path, history) is None
        until(lambda name=name: asked[-1][0] == name)
        assert find_moved(tmp_path, history) is None
