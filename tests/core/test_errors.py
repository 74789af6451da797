"""Errors say what to do next and travel between processes."""

import pickle

from pixmill.core.errors import GateError, PixmillError


def test_the_message_ends_with_the_next_command() -> None:
    assert (
        str(PixmillError("data/ is empty", next="make data")) == "data/ is empty\nNext: make data"
    )
    assert str(PixmillError("no more")) == "no more"


def test_an_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(GateError("too few", next="dvc repro")))
    assert type(error) is GateError
    assert (error.message, error.next) == ("too few", "dvc repro")
