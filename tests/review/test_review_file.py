"""Decisions are written line by line: sorted, each image once, and nothing of anybody else's is lost."""

import csv
import threading

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from pixmill.core.errors import LockedError, ReviewError, StorageError
from pixmill.review import review_file as module
from pixmill.review.review_file import ReviewFile
from pixmill.validate import read_decisions
from pixmill.validate.decisions import HEADER, Decision, Names, match_decisions
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
def ledger(path):
    return ReviewFile(path, CLASSES, lambda _: NAMES, lock=path.with_suffix(".lock"))


def texts(path):
    return path.read_text(encoding="utf-8").removeprefix(HEAD).splitlines()


def test_the_first_decision_makes_the_file(ledger, path):
    assert ledger.read() == {}
    assert ledger.change({IDS[1]: decision(IDS[1]), IDS[0]: decision(IDS[0], "relabel", "shoe", why="a, b")}) == {
        IDS[1]: None,
        IDS[0]: None,
    }
    assert path.read_bytes() == f'{HEAD}{IDS[0]},relabel,shoe,mk,"a, b"\n{IDS[1]},keep,,mk,\n'.encode()
    assert {name: decision.line for name, decision in ledger.read().items()} == {IDS[0]: 2, IDS[1]: 3}


@pytest.mark.parametrize(
    "name", [IDS[2], IDS[2][:12], IDS[2][:8].upper(), "data/coat/3.jpg", f"images/33/{IDS[2]}.jpg", f'"{IDS[2]}"']
)
def test_a_new_decision_replaces_the_line_of_the_image_however_it_was_named(ledger, path, name):
    path.write_text(f"{HEAD}{name},drop,,jo,blurred\n")
    before = ledger.change({IDS[2]: decision(IDS[2])})
    assert texts(path) == [f"{IDS[2]},keep,,mk,"]
    assert before[IDS[2]].verb == "drop"
    ledger.change(before)
    assert texts(path) == [name.strip('"') + ",drop,,jo,blurred"]


def test_other_lines_stay_whoever_wrote_them(ledger, path):
    others = [
        f'{IDS[0]},"drop",,"jo","said ""no"""',
        '"data/coat/2.jpg",keep,,jo,é ☂',
        "http://gone.test/1.jpg,drop,,jo,gone since",
        "zz/b.jpg , keep , , jo , blanks",
    ]
    path.write_bytes(("\ufeff" + HEAD + "\r\n".join([others[3], "", others[1], others[2], ",,,,", others[0]])).encode())
    ledger.change({IDS[4]: decision(IDS[4])})
    assert texts(path) == [
        f'{IDS[0]},drop,,jo,"said ""no"""',
        f"{IDS[4]},keep,,mk,",
        "data/coat/2.jpg,keep,,jo,é ☂",
        "http://gone.test/1.jpg,drop,,jo,gone since",
        "zz/b.jpg,keep,,jo,blanks",
    ]
    assert b"\r" not in path.read_bytes()


def test_a_line_that_a_merge_has_doubled_is_replaced_as_a_whole(ledger, path):
    path.write_text(HEAD + f"{IDS[0]},drop,,jo,\n" * 2)
    assert ledger.change({IDS[0]: decision(IDS[0])})[IDS[0]].verb == "drop"
    assert texts(path) == [f"{IDS[0]},keep,,mk,"]


@pytest.mark.parametrize("why", ["a\nb", "a\r\nb", "a\tb", " a  b ", "a\x00\x1b\u2028b", "a\ud800b", "a\x0cb"])
def test_one_decision_is_one_line_whatever_was_typed(ledger, path, why):
    ledger.change({IDS[0]: decision(IDS[0], why=why)})
    assert texts(path) == [f"{IDS[0]},keep,,mk,a b"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"{HEAD}{IDS[0]},keep,,jo,\n{IDS[1]},kep,,jo,\n", 3),
        (f"{HEAD}{IDS[0]},relabel,hat,jo,\n", 2),
        (f'{HEAD}{IDS[0]},keep,,jo,"\n', 2),
        (f"{HEAD}{IDS[0]},keep,,jo,\n{IDS[0]},drop,,jo,\n", 3),
        (f"{HEAD}{IDS[0]},keep,,jo,\ndata/coat/1.jpg,drop,,jo,\n", 3),
        ("image,decision\n", 1),
        ("<<<<<<< HEAD\n", 1),
    ],
)
def test_what_is_malformed_is_told_by_line_and_stays_as_it_is(ledger, path, content, line):
    ledger.change({IDS[3]: decision(IDS[3])})
    path.write_text(content)
    for act in (ledger.read, lambda: ledger.change({IDS[2]: decision(IDS[2])})):
        with pytest.raises(ReviewError, match=rf"review\.csv, line {line}: "):
            act()
    assert path.read_text() == content
    assert [item.name for item in path.parent.iterdir() if item.name.startswith(".part")] == []


def test_an_edit_between_two_decisions_is_kept(ledger, path):
    ledger.change({IDS[0]: decision(IDS[0])})
    path.write_text(path.read_text() + f"{IDS[1][:12]},drop,,jo,typed by hand\n")
    assert set(ledger.read()) == {IDS[0], IDS[1]}
    ledger.change({IDS[2]: decision(IDS[2])})
    assert texts(path) == [
        f"{IDS[0]},keep,,mk,",
        f"{IDS[1][:12]},drop,,jo,typed by hand",
        f"{IDS[2]},keep,,mk,",
    ]


def test_two_reviews_at_the_same_time_lose_nothing(path):
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


def test_who_holds_the_file_too_long_is_told(ledger, path, monkeypatch):
    import filelock

    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    with (
        filelock.FileLock(path.with_suffix(".lock")),
        pytest.raises(LockedError, match=r"another `pixmill review` has locked review\.csv"),
    ):
        ledger.change({IDS[0]: decision(IDS[0])})
    assert not path.exists()


def test_a_folder_in_its_place_is_told(ledger, path):
    path.mkdir()
    with pytest.raises(ReviewError, match=r"review\.csv cannot be read"):
        ledger.change({IDS[0]: decision(IDS[0])})


@pytest.mark.linux
def test_a_disk_that_is_full_is_told_and_what_was_there_stays(ledger, path):
    from tests.disk import limit_file_size

    ledger.change({IDS[0]: decision(IDS[0])})
    before = path.read_bytes()
    with (
        limit_file_size(len(before)),
        pytest.raises(StorageError, match=r"review\.csv cannot be used: it would exceed"),
    ):
        ledger.change({IDS[1]: decision(IDS[1])})
    assert path.read_bytes() == before
    assert set(ledger.read()) == {IDS[0]}


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
def test_any_sequence_of_decisions_leaves_a_sound_file(tmp_path_factory, steps):
    """By page and by hand, with any text: readable, sorted, each image once, and the last word counts."""
    path = tmp_path_factory.mktemp("any") / "review.csv"
    ledger = ReviewFile(path, CLASSES, lambda _: NAMES, lock=path.with_suffix(".lock"))
    wanted = {}
    for place, change in steps:
        name = IDS[place]
        if change is None:
            ledger.change({name: None})
            wanted.pop(name, None)
        elif change[0] == "write":
            _, verb, label, by, why = change
            ledger.change({name: decision(name, verb, label, by, why)})
            wanted[name] = (verb, label)
        elif name not in wanted:
            _, verb, form, why = change
            called = [name, name[:8], *NAMES[place].places][form]
            text = path.read_text(encoding="utf-8") if path.exists() else HEAD
            with path.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                csv.writer(file).writerow([called, verb, "", "by hand", why])
            wanted[name] = (verb, "")
            ledger.read()
    ledger.change({IDS[0]: decision(IDS[0], "drop")})
    wanted[IDS[0]] = ("drop", "")
    found = read_decisions(path, CLASSES)
    matched, gone = match_decisions(found, NAMES)
    assert {name: (item.verb, item.label) for name, item in matched.items()} == wanted
    assert gone == []
    assert len(found) == len(wanted)
    assert [item.image for item in found] == sorted(item.image for item in found)
    assert b"\r" not in path.read_bytes()
    assert ledger.read() == matched
