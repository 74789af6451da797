"""``review.csv``: decisions are sorted, one per image, and lines of others are kept."""

import csv
import threading

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from pixmill.core.errors import DecisionsError, StorageError
from pixmill.dataset.review_file import ReviewFile
from pixmill.validate.decisions import HEADER, Decision, Names, match_decisions, read_decisions
from tests.review.conftest import CLASSES

HEAD = ",".join(HEADER) + "\n"
IDS = [f"{number:x}" * 64 for number in range(1, 9)]
NAMES = [Names(name, (f"images/{name[:2]}/{name}.jpg", f"data/coat/{name[0]}.jpg")) for name in IDS]


def decision(name, verb="keep", label="", by="mk", why=""):
    return Decision(0, name, verb, label, by, why)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review.csv"


@pytest.fixture
def review_file(path):
    return ReviewFile(path, CLASSES, lambda _: NAMES, lock=path.with_suffix(".lock"))


def texts(path):
    return path.read_text(encoding="utf-8").removeprefix(HEAD).splitlines()


def test_keeps_other_lines(review_file, path):
    others = [
        f'{IDS[0]},"drop",,"jo","a ""b"""',
        '"data/coat/2.jpg",keep,,jo,é ☂',
        "http://gone.test/1.jpg,drop,,jo,gone since",
        "zz/b.jpg , keep , , jo , blanks",
    ]
    path.write_bytes(
        (
            "\ufeff" + HEAD + "\r\n".join([others[3], "", others[1], others[2], ",,,,", others[0]])
        ).encode()
    )
    review_file.change({IDS[4]: decision(IDS[4])})
    assert texts(path) == [
        f'{IDS[0]},drop,,jo,"a ""b"""',
        f"{IDS[4]},keep,,mk,",
        "data/coat/2.jpg,keep,,jo,é ☂",
        "http://gone.test/1.jpg,drop,,jo,gone since",
        "zz/b.jpg,keep,,jo,blanks",
    ]
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize("why", ["a\r\nb", " a  b ", "a\x00\x1b\u2028b", "a\ud800b"])
def test_writes_one_line_per_decision(review_file, path, why):
    review_file.change({IDS[0]: decision(IDS[0], why=why)})
    assert texts(path) == [f"{IDS[0]},keep,,mk,a b"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"{HEAD}{IDS[0]},keep,,jo,\n{IDS[1]},kep,,jo,\n", 3),
        (f"{HEAD}{IDS[0]},keep,,jo,\ndata/coat/1.jpg,drop,,jo,\n", 3),
        ("<<<<<<< HEAD\n", 1),
    ],
)
def test_malformed_files_are_reported_by_line_and_kept(review_file, path, content, line):
    review_file.change({IDS[3]: decision(IDS[3])})
    path.write_text(content)
    for act in (review_file.read, lambda: review_file.change({IDS[2]: decision(IDS[2])})):
        with pytest.raises(DecisionsError, match=rf"review\.csv, line {line}: "):
            act()
    assert path.read_text() == content
    assert [item.name for item in path.parent.iterdir() if item.name.startswith(".part")] == []


def test_two_concurrent_reviews_lose_nothing(path):
    def write(names, by):
        own = ReviewFile(path, CLASSES, lambda _: NAMES, lock=path.with_suffix(".lock"))
        for name in names:
            own.change({name: decision(name, by=by)})

    threads = [threading.Thread(target=write, args=(IDS[start::2], str(start))) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text[:1] for text in texts(path)] == [name[0] for name in IDS]


@pytest.mark.linux
def test_a_full_disk_keeps_the_file(review_file, path):
    from tests.disk import limit_file_size

    review_file.change({IDS[0]: decision(IDS[0])})
    before = path.read_bytes()
    with (
        limit_file_size(len(before)),
        pytest.raises(StorageError, match=r"review\.csv cannot be used: it would exceed"),
    ):
        review_file.change({IDS[1]: decision(IDS[1])})
    assert path.read_bytes() == before
    assert set(review_file.read()) == {IDS[0]}


ANYTHING = st.text(max_size=20)
CHANGE = st.one_of(
    st.none(),
    st.builds(
        lambda verb, label, by, why: ("write", verb, label if verb == "relabel" else "", by, why),
        st.sampled_from(["keep", "drop", "relabel"]),
        st.sampled_from(CLASSES),
        ANYTHING,
        ANYTHING,
    ),
    st.tuples(st.just("hand"), st.sampled_from(["keep", "drop"]), st.integers(0, 3), ANYTHING),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(st.integers(0, len(IDS) - 1), CHANGE), max_size=15))
def test_any_sequence_of_decisions_leaves_a_valid_file(tmp_path_factory, steps):
    """With changes by page and by hand, and any text: readable, sorted, one line per image, the last decision wins."""
    path = tmp_path_factory.mktemp("any") / "review.csv"
    review_file = ReviewFile(path, CLASSES, lambda _: NAMES, lock=path.with_suffix(".lock"))
    wanted = {}
    for place, change in steps:
        name = IDS[place]
        if change is None:
            review_file.change({name: None})
            wanted.pop(name, None)
        elif change[0] == "write":
            _, verb, label, by, why = change
            review_file.change({name: decision(name, verb, label, by, why)})
            wanted[name] = (verb, label)
        elif name not in wanted:
            _, verb, form, why = change
            called = [name, name[:8], *NAMES[place].places][form]
            text = path.read_text(encoding="utf-8") if path.exists() else HEAD
            with path.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                csv.writer(file).writerow([called, verb, "", "by hand", why])
            wanted[name] = (verb, "")
            review_file.read()
    review_file.change({IDS[0]: decision(IDS[0], "drop")})
    wanted[IDS[0]] = ("drop", "")
    found = read_decisions(path, CLASSES)
    matched, gone = match_decisions(found, NAMES)
    assert {name: (item.verb, item.label) for name, item in matched.items()} == wanted
    assert gone == []
    assert len(found) == len(wanted)
    assert [item.image for item in found] == sorted(item.image for item in found)
    assert b"\r" not in path.read_bytes()
    assert review_file.read() == matched
