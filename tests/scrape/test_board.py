import pytest

from pixmill import progress
from pixmill.fetch import Refused
from pixmill.scrape.board import Board
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.pictures import Picture
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting


def settled(label, picture=None):
    refused = None if picture else Refused("http_404")
    return Sighting("bing", Candidate(label, label, 0, None), picture and Picture(picture * 64, 1, "png"), refused)


@pytest.fixture
def lines(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    return lambda: capsys.readouterr().err.splitlines()


def test_a_class_is_told_as_it_goes(lines):
    board = Board()
    board.found("hat", 3)
    board.settled(settled("hat", "a"))
    board.found("coat", 1)
    board.settled(settled("hat", "a"))
    board.settled(settled("coat", "a"))
    board.settled(settled("hat"))
    assert lines() == [
        "Scrape hat: 1 of 3 candidates (1 new)",
        "Scrape hat: 2 of 3 candidates (1 new, 1 seen before)",
        "Scrape coat: 1 of 1 candidates (1 new)",
        "Scrape hat: 3 of 3 candidates (1 new, 1 seen before, 1 refused)",
    ]


def test_more_turn_up_as_it_goes(lines):
    board = Board()
    for count in (2, 5):
        board.found("hat", count)
    board.settled(settled("hat", "a"))
    board.close()
    assert set(lines()) == {"Scrape hat: 1 of 7 candidates (1 new)"}
    board.close()
    assert lines() == []


def test_a_search_that_fails_is_told_at_once(lines, invented):
    source = invented({})
    board = Board()
    board.failed(Search(source, source.queries("hat", ["cap"])[0], ""), "layout_changed")
    assert lines() == ["Scrape hat (source 'site:invented' 'cap'): layout changed"]
