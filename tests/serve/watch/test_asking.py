"""Images of a log that people are asked about: copied, noted, and never lost or drawn twice."""

from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.serve.watch import asking
from pixmill.serve.watch.asking import ask
from pixmill.serve.watch.record import Sample
from pixmill.serve.watch.watching import Watch
from tests.serve.watch.conftest import Stream


def copies(stream: Stream) -> list[str]:
    return sorted(path.name for path in (stream.root / "data/unlabelled").glob("*"))


def waiting(found: Watch, sample: Sample = "random") -> list[str]:
    answers = found.answers
    return answers.loc[answers["waiting"] & (answers["sample"] == sample), "id"].tolist()


def test_copies_images_whose_name_tells_their_split(stream: Stream) -> None:
    names = stream.log(4, days=(3, 3), images=True, shadow="dress")
    days = {path.name for path in stream.folder.glob("2*")}
    (day,) = days
    found = ask(stream.root, stream.look(), "random", 1)
    (random,) = waiting(found)
    assert copies(stream) == [f"sample-{day}-{random[-16:]}.png"]
    found = ask(stream.root, found, "disagreement", 2)
    found = ask(stream.root, found, "doubtful", 9)
    chosen = [*waiting(found, "disagreement"), *waiting(found, "doubtful")]
    assert sorted([random, *chosen]) == sorted(names)
    prefixes = ["models"] * 2 + ["doubt"]
    assert copies(stream)[:3] == sorted(
        f"feedback-{prefix}-{day}-{name[-16:]}.png"
        for prefix, name in zip(prefixes, chosen, strict=True)
    )
    kept = (stream.root / "data/unlabelled" / f"sample-{day}-{random[-16:]}.png").read_bytes()
    assert kept == next(stream.folder.glob(f"*/images/{random}.png")).read_bytes()
    assert waiting(stream.look()) == [random]  # it is kept


def test_asks_first_for_images_that_wait(stream: Stream) -> None:
    stream.log(30, images=True)
    first = waiting(ask(stream.root, stream.look(), "random", 6))
    stream.answer(*((name, "coat") for name in first[:4]))
    found = ask(stream.root, stream.look(), "random", 6)
    assert waiting(found)[:2] == first[4:]
    assert (len(waiting(found)), len(copies(stream))) == (6, 10)
    assert found.labelled.right.tolist() == [True] * 4


def test_a_killed_process_leaves_copies_at_most(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.log(30, images=True)
    before = stream.look()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(asking, "save_record", stop)
        with pytest.raises(KeyboardInterrupt):
            ask(stream.root, before, "random", 5)
    assert waiting(stream.look()) == []
    left = copies(stream)
    found = ask(stream.root, stream.look(), "random", 5)
    assert (copies(stream), len(waiting(found))) == (left, 5)


@pytest.mark.parametrize("in_log", [True, False])
def test_images_that_were_deleted_wait_no_longer_unless_the_log_has_them(
    stream: Stream, *, in_log: bool
) -> None:
    stream.log(30, images=True)
    (gone, *others) = waiting(ask(stream.root, stream.look(), "random", 3))
    next((stream.root / "data/unlabelled").glob(f"*{gone[-16:]}*")).unlink()
    if not in_log:
        next(stream.folder.glob(f"*/images/{gone}.png")).unlink()
    found = ask(stream.root, stream.look(), "random", 3)
    assert (waiting(found) == [gone, *others]) is in_log
    assert (waiting(found) == others) is not in_log
    assert len(copies(stream)) == len(waiting(found))


def test_images_of_the_project_are_answered_at_once_and_not_copied(stream: Stream) -> None:
    stream.log(3, images=True)
    known = stream.project.add("shoe", content=b"in the project")
    stream.log(1, images=True, id=known)
    stream.look()
    stream.project.write()
    found = ask(stream.root, stream.look(), "random", 9)
    assert (found.labelled.waiting, len(copies(stream))) == (3, 3)
    assert stream.look().answers.set_index("id")["truth"].dropna().to_dict() == {known: "shoe"}


def test_draws_from_images_since_an_alarm(stream: Stream) -> None:
    stream.log(300, days=(20, 11), images=True)
    later = stream.log(200, days=(9, 1), shift=60, images=True)
    found = ask(stream.root, stream.look(), "random", 60)
    assert len({*waiting(found)} - {*later}) < 20


def test_doubtful_images_are_unsure_the_strangest_first(stream: Stream) -> None:
    stream.log(40, images=True)
    unsure = stream.log(8, images=True, sure=False)
    strange = stream.log(2, images=True, unlike=True, novelty=9.0)
    found = waiting(ask(stream.root, stream.look(), "doubtful", 6), "doubtful")
    assert len(found) == 6
    assert {*strange} < {*found} < {*unsure, *strange}


@pytest.mark.parametrize(
    ("sample", "columns", "word"),
    [
        ("random", {}, "keeps no images"),
        ("disagreement", {"images": True}, "no further image"),
        ("disagreement", {"images": True, "shadow": "coat"}, "no further image"),
    ],
)
def test_tells_when_there_is_nothing_to_ask(
    stream: Stream, sample: Sample, columns: dict[str, object], word: str
) -> None:
    stream.log(3, **columns)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=word) as error:
        ask(stream.root, stream.look(), sample, 9)
    assert error.value.next is not None
    assert not Path(stream.root, "data").exists()
