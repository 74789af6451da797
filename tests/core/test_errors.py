"""Errors say what to do next and travel between processes."""

import pickle

import pytest

from pixmill.core import errors
from pixmill.core.errors import GateError, PixmillError


def test_the_message_ends_with_the_next_command() -> None:
    assert str(PixmillError("data/ is empty", next="make data")) == "data/ is empty\nNext: make data"
    assert str(PixmillError("no more")) == "no more"


@pytest.mark.parametrize("name", errors.__all__)
def test_the_tree_in_the_docstring_is_the_tree(name: str) -> None:
    assert name in (errors.__doc__ or "")
    assert issubclass(getattr(errors, name), PixmillError)


def test_an_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(GateError("too few", next="dvc repro")))
    assert type(error) is GateError
    assert (error.message, error.next) == ("too few", "dvc repro")
