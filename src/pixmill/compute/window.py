"""Batches under way, in the order of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pixmill.compute.limits import Loss

__all__ = ["Batch", "Task"]


@dataclass(frozen=True)
class _Lost:
    """Stand where a result would, for a row that was given up."""

    loss: Loss


class Batch:
    """Rows that were taken together, with the results that have come.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows
        self.held = 0
        self.error: BaseException | None = None
        self._results: list[Any] = [None] * len(rows)
        self._missing = len(rows)

    @property
    def done(self) -> bool:
        """Whether every row has its result, or the pass has a defect."""
        return self._missing == 0 or self.error is not None

    def put(self, position: int, result: Any) -> None:
        """Take the result of a row."""
        self._results[position] = result
        self._missing -= 1

    def give_up(self, position: int, loss: Loss) -> None:
        """Take it that a row has no result."""
        self.put(position, _Lost(loss))

    def results(self, lost: Callable[[Any, Loss], Any] | None) -> Iterator[Any]:
        """Yield the results in the order of the rows.

        Raises:
            BaseException: What the pass raised.
        """
        if self.error is not None:
            raise self.error
        for row, result in zip(self.rows, self._results, strict=True):
            if isinstance(result, _Lost):
                assert lost is not None
                yield lost(row, result.loss)
            else:
                yield result


class Task:
    """Rows of a batch that one worker is asked for.

    Args:
        batch: The batch.
        positions: Which of its rows, in order.
        again: Whether this is the second and last try of a single row.
    """

    def __init__(self, batch: Batch, positions: Sequence[int], *, again: bool = False) -> None:
        self.batch = batch
        self.again = again
        self._positions = positions
        self._answered = 0

    def rows(self) -> list[Any]:
        """Return the rows that are asked for."""
        return [self.batch.rows[position] for position in self._positions]

    def answer(self, results: Sequence[Any], size: int) -> None:
        """Take the results of the next rows.

        Args:
            results: One a row.
            size: Bytes that they took on their way.
        """
        for position, result in zip(self._positions[self._answered :], results, strict=False):
            self.batch.put(position, result)
        self._answered += len(results)
        self.batch.held += size

    def without(self, row: int) -> tuple[list[Task], Task | None]:
        """Part what is not answered yet into the row that its worker was lost at, and the rest.

        Args:
            row: The row's place in this task.

        Returns:
            Tasks for the rest, none or one, and one for the row alone, if it was not answered before.
        """
        rest = [p for index, p in enumerate(self._positions) if index >= self._answered and index != row]
        alone = Task(self.batch, [self._positions[row]], again=True) if row >= self._answered else None
        return ([Task(self.batch, rest)] if rest else []), alone

    def give_up(self, loss: Loss) -> None:
        """Take it that the row of this second try has no result."""
        self.batch.give_up(self._positions[0], loss)
