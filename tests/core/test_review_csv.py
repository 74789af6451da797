"""Decisions of earlier versions are read as rows."""

from pathlib import Path

import pytest

from pixmill.core.decisions import Row
from pixmill.core.errors import DataError, DecisionsError
from pixmill.core.review_csv import FILE, require_converted, rows_of_review

HEADER = "image,decision,label,by,why\n"


def test_each_decision_has_the_rows_that_mean_the_same() -> None:
    text = f"\ufeff{HEADER}\n0123456789,keep,,ada,fine\ndata/hat/1.png,drop,,,\nABCDEF01,relabel,hat,bo,\n"
    assert rows_of_review(text) == (
        Row("0123456789", "", "keep", "", "ada", "fine"),
        Row("data/hat/1.png", "", "drop"),
        Row("abcdef01", "hat", "yes", "", "bo"),
        Row("abcdef01", "", "keep", "", "bo"),
    )
    assert rows_of_review("") == rows_of_review(HEADER) == ()


@pytest.mark.parametrize(
    "text",
    [
        "image,label\n",
        f"{HEADER}01234567,keep\n",
        f"{HEADER}0123,keep,,,\n",
        f"{HEADER}01234567,perhaps,,,\n",
        f"{HEADER}01234567,relabel,,,\n",
        f"{HEADER}01234567,keep,hat,,\n",
        f'{HEADER}"01234567,keep,,,\n',
    ],
)
def test_a_malformed_line_is_named(text: str) -> None:
    with pytest.raises(DecisionsError, match=r"review\.csv, line \d"):
        rows_of_review(text)


def test_decisions_in_another_encoding_are_not_ignored(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(f"{HEADER}01234567,drop,,Jos\xe9,\n".encode("latin-1"))
    with pytest.raises(DataError) as refusal:
        require_converted(tmp_path)
    assert refusal.value.next == "pixmill upgrade"
