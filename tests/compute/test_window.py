"""However the workers of a batch are lost, each of its rows has one outcome, in its place."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from pixmill.compute.limits import Loss
from pixmill.compute.window import Batch, Task


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.data())
def test_each_row_has_its_outcome_whatever_is_lost(hostile: list[bool], data: st.DataObject) -> None:
    batch = Batch(range(len(hostile)))
    done: list[int] = []
    tasks = deque([Task(batch, range(len(hostile)))])
    while tasks:
        assert not batch.done
        task = tasks.popleft()
        rows = task.rows()
        reached = next((index for index, row in enumerate(rows) if hostile[row]), len(rows))
        # A worker may also be killed from outside, before it has said all that it has done.
        lost_at = data.draw(st.integers(0, reached)) if not task.again else reached
        said = data.draw(st.integers(0, lost_at)) if lost_at < len(rows) else len(rows)
        task.answer([10 * row for row in rows[:said]], 1)
        done += rows[:said]
        if lost_at == len(rows):
            continue
        rest, alone = task.without(lost_at)
        tasks.extend(rest)
        if task.again:
            task.give_up("crashed")
        else:
            assert alone is not None
            tasks.append(alone)
    assert batch.done
    assert len(done) == len(set(done))
    expected = [("crashed", row) if bad else 10 * row for row, bad in enumerate(hostile)]
    assert list(batch.results(outcome)) == expected


def outcome(row: int, loss: Loss) -> tuple[Loss, int]:
    return loss, row


def test_a_row_that_was_answered_is_not_asked_for_again() -> None:
    batch = Batch("abcd")
    task = Task(batch, range(4))
    task.answer(["A", "B"], 2)
    rest, alone = task.without(1)
    assert alone is None
    assert [again.rows() for again in rest] == [["c", "d"]]
