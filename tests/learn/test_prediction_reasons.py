import pytest

from pixmill.learn.prediction_reasons import meaning


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("truncated", "The file is truncated"),
        ("http_404", "HTTP 404 Not Found"),
        ("http_799", "HTTP 799"),
        ("something_new", "Something new"),
    ],
)
def test_reasons_are_told_in_words(reason, words) -> None:
    assert meaning(reason) == words
