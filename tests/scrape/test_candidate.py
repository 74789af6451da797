import pytest

from pixmill.scrape.candidate import Candidate

HALF = "Wärme \ud83d"


@pytest.mark.parametrize(
    "field", ["image_url", "thumbnail_url", "page_url", "title", "price", "licence", "author"]
)
def test_replaces_lone_surrogates(field):
    candidate = Candidate("hat", "hat", 0, **{"image_url": None, field: HALF})
    assert getattr(candidate, field).encode() == "Wärme ?".encode()
    assert (
        getattr(Candidate("hat", "hat", 0, **{"image_url": None, field: "Wärme 🎩"}), field)
        == "Wärme 🎩"
    )


@pytest.mark.parametrize("field", ["title", "price", "licence", "author"])
def test_cleans_and_cuts_text(field):
    def clean(text):
        return getattr(Candidate("hat", "hat", 0, None, **{field: text}), field)

    assert clean("red\x1b[31m\0 hat\x9b\r\n") == "red [31m  hat   "
    assert clean("h" * 1000) == "h" * 1000
    assert clean("h" * 1001) == "h" * 999 + "…"


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("number", [0, -5, 2**31, 10**30, 1e30, 3.7, True])
def test_drops_invalid_dimensions(field, number):
    assert getattr(Candidate("hat", "hat", 0, None, **{field: number}), field) is None
    assert getattr(Candidate("hat", "hat", 0, None, **{field: 2**31 - 1}), field) == 2**31 - 1
