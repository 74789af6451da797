"""Reading review.csv and matching decisions with images."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.errors import DecisionsError
from pixmill.validate.decisions import (
    Decision,
    Names,
    match_decisions,
    names_of,
    read_decisions,
    render_decisions,
)

CLASSES = ("coat", "shoe")
HEAD = "image,decision,label,by,why\n"
ID = "0123456789abcdef" * 4


@pytest.fixture
def read(tmp_path: Path):
    def reader(content: str | bytes) -> tuple[Decision, ...]:
        path = tmp_path / "review.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_decisions(path, CLASSES)

    return reader


def test_every_column_is_read(read) -> None:
    text = (
        f'{HEAD}\n{ID},keep,,ada,"fine, '
        f'really"\ndata/coat/1.png,drop,,,\n{ID[:8]},relabel,shoe,bob,has laces\n'
    )
    assert read(text) == (
        Decision(3, ID, "keep", "", "ada", "fine, really"),
        Decision(4, "data/coat/1.png", "drop"),
        Decision(5, ID[:8], "relabel", "shoe", "bob", "has laces"),
    )


def test_accepts_byte_order_mark_and_crlf(read) -> None:
    assert read(b"\xef\xbb\xbf" + f"{HEAD}{ID},drop,,,".replace("\n", "\r\n").encode()) == (
        Decision(2, ID, "drop"),
    )


def test_normalises_accents_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    path.write_text(f"{HEAD}{ID},relabel,cafe\u0301,,\n", "utf-8")
    assert read_decisions(path, ["café"]) == (Decision(2, ID, "relabel", "café"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: expected the header image,decision,label,by,why, received ''"),
        (
            f"{HEAD}{ID},keep\n",
            "line 2: expected 5 values (image, decision, label, by, why), received 2",
        ),
        (f"{HEAD}\n\nsome,keep,,,\n", "line 4: expected an image's id (at least 8 digits"),
        (
            f"{HEAD}{ID},maybe,,,\n",
            "line 2: expected one of the decisions keep, drop, relabel, received 'maybe'",
        ),
        (
            f"{HEAD}{ID},relabel,hat,,\n",
            "line 2: expected one of the labels coat, shoe, received 'hat'",
        ),
        (
            f"{HEAD}{ID},drop,coat,,\n",
            "line 2: expected no label for the decision 'drop', received 'coat'",
        ),
        (f'{HEAD}{ID},drop,,,"never closed\n', "line 2: expected comma-separated values"),
        (f'{HEAD}{ID},drop,,,"two\nlines"\nx,drop,,,\n', "line 4: expected an image's id"),
    ],
)
def test_rejects_malformed_lines_by_number(read, content: str | bytes, message: str) -> None:
    with pytest.raises(DecisionsError) as caught:
        read(content)
    assert f"review.csv, {message}" in caught.value.message
    assert "dvc repro validate" in str(caught.value)


IMAGES = [
    Names(ID, ("images/01/a.png", "data/coat/1.png")),
    Names("f" * 64, ("images/ff/b.png", "https://example.org/b")),
]


@pytest.mark.parametrize(
    "name", [ID, ID[:8], ID[:20].upper(), "images/01/a.png", "data/coat/1.png"]
)
def test_matches_id_path_and_source(name: str) -> None:
    decision = Decision(2, name, "drop")
    assert match_decisions([decision], IMAGES) == ({ID: decision}, [])


def test_returns_decisions_on_missing_images() -> None:
    decision = Decision(2, "0" * 8, "drop")
    assert match_decisions([decision], IMAGES) == ({}, [decision])


@pytest.mark.parametrize(
    "second", [Decision(3, "data/coat/1.png", "keep"), Decision(3, ID, "drop", why="a hat")]
)
def test_rejects_two_decisions_on_one_image(second: Decision) -> None:
    with pytest.raises(
        DecisionsError,
        match=(
            f"line 3: expected one decision per image, received a second one for {ID}, already "
            "in line 2"
        ),
    ):
        match_decisions([Decision(2, ID, "drop"), second], IMAGES)


@pytest.mark.parametrize("name", [ID, "data/hat/1.png"])
def test_identical_lines_count_once(name: str) -> None:
    first = Decision(2, name, "drop", by="ada")
    second = Decision(5, name, "drop", by="ada")
    found, gone = match_decisions([first, second], IMAGES)
    assert [*found.values(), *gone] == [first]


def test_error_message_is_printable() -> None:
    name = "data/\x1b[2J.png"
    with pytest.raises(DecisionsError) as caught:
        match_decisions([Decision(2, name, "drop"), Decision(3, name, "keep")], IMAGES)
    assert caught.value.message.isprintable()


lines = st.text(max_size=20)
decided = st.builds(
    Decision,
    st.just(0),
    st.sampled_from([ID, ID[:8], "data/coat/1, 2.png", 'https://example.org/"b"']),
    st.sampled_from(["keep", "drop", "relabel"]),
    by=lines,
    why=lines,
).map(lambda item: replace(item, label="shoe" if item.verb == "relabel" else ""))


@settings(max_examples=15)
@given(st.lists(decided, max_size=5))
def test_round_trip_is_sorted(tmp_path_factory, decisions: list[Decision]) -> None:
    path = tmp_path_factory.mktemp("review") / "review.csv"
    text = render_decisions(decisions)
    path.write_bytes(text.encode())
    found = read_decisions(path, CLASSES)
    assert [decision.line for decision in found] == list(range(2, len(decisions) + 2))
    assert text.count("\n") == len(decisions) + 1
    assert "\r" not in text
    assert [decision.image for decision in found] == sorted(
        decision.image for decision in decisions
    )
    plain = [
        replace(item, line=0, by=" ".join(item.by.split()), why=" ".join(item.why.split()))
        for item in decisions
    ]
    assert sorted((replace(item, line=0) for item in found), key=str) == sorted(plain, key=str)


@settings(max_examples=15)
@given(
    st.lists(
        st.sampled_from(
            [ID, ID[:9], "f" * 64, "images/ff/b.png", "https://example.org/b", "data/x.png"]
        )
    )
)
def test_names_of_finds_all_matching_images(names: list[str]) -> None:
    decisions = [
        Decision(line, name, "drop", why=str(line))
        for line, name in enumerate(dict.fromkeys(names), 2)
    ]
    images = pd.DataFrame(
        {"id": [item.id for item in IMAGES], "path": [item.places[0] for item in IMAGES]}
    )
    urls = [(item.id, item.places[1]) for item in IMAGES] + [
        (None, "data/x.png"),
        ("e" * 64, "data/x.png"),
    ]
    sightings = pd.DataFrame(urls, columns=["id", "image_url"])
    few = names_of(decisions, images.astype("string"), sightings.astype("string"))
    assert {item.id for item in few} <= {item.id for item in IMAGES}

    def outcome(known: list[Names]) -> object:
        try:
            return match_decisions(decisions, known)
        except DecisionsError as error:
            return error.message

    assert outcome(few) == outcome(IMAGES)
