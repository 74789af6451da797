import pytest

from pixmill.scrape.candidate import Candidate

HALF = "Wärme \ud83d"


@pytest.mark.parametrize("field", ["image_url", "thumbnail_url", "page_url", "title", "price", "licence", "author"])
def test_what_strangers_write_fits_into_every_file(field):
    candidate = Candidate("hat", "hat", 0, **{"image_url": None, field: HALF})
    assert getattr(candidate, field).encode() == "Wärme ?".encode()
    assert getattr(Candidate("hat", "hat", 0, **{"image_url": None, field: "Wärme 🎩"}), field) == "Wärme 🎩"


@pytest.mark.parametrize("field", ["title", "price", "licence", "author"])
def test_words_command_no_terminal_and_fill_no_disk(field):
    def told(text):
        return getattr(Candidate("hat", "hat", 0, None, **{field: text}), field)

    assert told("red\x1b[31m\0 hat\x9b\r\n") == "red [31m  hat   "
    assert told("h" * 1000) == "h" * 1000
    assert told("h" * 1001) == "h" * 999 + "…"


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("said", [0, -5, 2**31, 10**30, 1e30, 3.7, True])
def test_a_number_that_is_no_length_is_none(field, said):
    assert getattr(Candidate("hat", "hat", 0, None, **{field: said}), field) is None
    assert getattr(Candidate("hat", "hat", 0, None, **{field: 2**31 - 1}), field) == 2**31 - 1
