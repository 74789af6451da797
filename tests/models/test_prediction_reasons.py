from pixmill.models.prediction_reasons import meaning


def test_text_of_reasons() -> None:
    reasons = ("truncated", "http_404", "http_799", "something_new")
    assert list(map(meaning, reasons)) == [
        "The file is truncated",
        "HTTP 404 Not Found",
        "HTTP 799",
        "Something new",
    ]
