"""Rows of a stopped prediction."""

from contextlib import closing

from pixmill.serve.predict import journal
from pixmill.serve.predict.journal import Journal


def row(path, **columns):
    return {"path": path, "predicted": "coat", **columns}


def test_keeps_rows_of_a_killed_process(tmp_path):
    with closing(Journal(tmp_path, ["model", "photos"])) as kept:
        for name in "ab":
            kept.add(row(name), (1, 2))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for end in range(len(whole) + 1):  # killed after each byte
        file.write_bytes(b"1\n[[], {}]" + whole[:end])  # lines that are no rows are left out
        with closing(Journal(tmp_path, ["model", "photos"])) as kept:
            complete = (end >= whole.rindex(b"\n")) + (end == len(whole))
            assert kept.names == ["a", "b"][:complete]
            kept.add(row("b", n=3), (1, 3))
        with closing(Journal(tmp_path, ["model", "photos"])) as kept:
            assert kept.get("b") == row("b", n=3)
            assert kept.has("b", (1, 3))
            assert not kept.has("b", (1, 2))
            assert len(kept) == min(complete, 1) + 1
    kept.discard()
    assert list(tmp_path.iterdir()) == []


def test_two_processes_share_a_journal(tmp_path):
    with (
        closing(Journal(tmp_path, ["photos"])) as one,
        closing(Journal(tmp_path, ["photos"])) as two,
    ):
        one.add(row("a"), ())
        two.add(row("long name"), ())
        one.add(row("b"), ())
        assert [one.get(name) for name in one.names] == [row("a"), row("b")]
        assert [two.get(name) for name in two.names] == [row("long name")]


def test_journals_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_MAX_BYTES", 100)
    for number in range(3):
        with closing(Journal(tmp_path, [str(number)])) as kept:
            kept.add(row("x" * 90), ())
    assert len(list(tmp_path.iterdir())) == 1
    with closing(Journal(tmp_path, ["2"])) as kept:
        assert len(kept) == 1
