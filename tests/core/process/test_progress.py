"""Long work shows that it goes on."""

import io
import time
from types import SimpleNamespace

import pytest

from pixmill.core.process import progress
from pixmill.core.process.progress import Progress, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    stream = io.StringIO()
    with Progress("Decode", 1200, stream=stream) as bar:
        bar.advance(1000, "loss 0.4")
    assert stream.getvalue() == "Decode: 1,000 of 1,200 images (loss 0.4)\n" * 2


def test_the_start_of_processes_does_not_count_for_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=1.0, time=time.time)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    stream = io.StringIO()
    with Progress("Pack", 100, done=40, stream=stream) as bar:
        for clock.now in (12.0, 22.0):
            bar.advance(10)
        assert stream.getvalue().splitlines() == [
            "Pack: 50 of 100 images",
            "Pack: 60 of 100 images, about 40 s left",
        ]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_DELAY_SECONDS", 0.0)
    stream = Terminal()
    with Progress("Fit", 4, unit="epoch", stream=stream) as bar:
        for _ in range(4):
            bar.advance(note="loss 0.4")
    assert "Fit:   0%" in stream.getvalue()
    assert "0/4" in stream.getvalue()


def test_tracked_items_pass_unchanged() -> None:
    assert list(track(iter("abc"), "Read", 3)) == ["a", "b", "c"]
