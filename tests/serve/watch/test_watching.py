"""What a log says: whether images differ, and what people accepted as usual."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from pixmill.core.errors import DataError
from pixmill.serve.watch.watching import accept
from tests.serve.watch.conftest import Stream


def test_accepted_images_are_the_reference_until_others_come(stream: Stream) -> None:
    stream.log(300, days=(30, 21))
    assert stream.look().difference.begun is None
    stream.log(200, days=(20, 15), shift=60)
    begun = stream.look().difference.begun
    assert begun is not None
    assert begun >= datetime.now(UTC) - timedelta(days=23)
    accepted = accept(stream.look())
    # Those from before the change would make later images look unusual.
    assert accepted.record["accepted"].tolist() == (accepted.record["time"] >= begun).tolist()
    assert not accepted.is_alarm
    stream.log(300, days=(14, 8), shift=60)
    assert not stream.look().is_alarm
    shutil.rmtree(min(stream.folder.glob("2*")))  # whoever deletes days keeps the reference
    assert not stream.look().is_alarm
    stream.log(200, days=(7, 1), shift=-60)
    assert stream.look().is_alarm


def test_accepts_no_few_images(stream: Stream) -> None:
    stream.log(60)
    with pytest.raises(DataError, match="60 images"):
        accept(stream.look())
    assert not stream.look().record["accepted"].any()


def test_an_earlier_look_keeps_its_p_values(stream: Stream) -> None:
    names = stream.log(100, days=(5, 3))
    first = stream.look().record
    # Another server, whose clock is behind.
    stream.log(100, days=(9, 6))
    second = stream.look().record
    assert second["id"][:100].tolist() == names
    assert second["p"][:100].dropna().tolist() == first["p"].dropna().tolist()
    assert len(second) == 200


def test_rows_without_an_answer_are_counted_alone(stream: Stream) -> None:
    stream.log(3, reason="truncated")
    with pytest.raises(DataError, match="new image"):
        stream.look()
    stream.log(2)
    found = stream.look()
    assert (len(found.rows), found.broken, found.is_alarm) == (2, {"truncated": 3}, False)


def test_images_of_the_project_are_not_new(stream: Stream) -> None:
    stream.log(2)
    stream.log(1, id=stream.project.add("shoe"))
    stream.project.write()
    assert len(stream.look().rows) == 2


def test_only_answers_since_an_alarm_count(stream: Stream) -> None:
    from pixmill.serve.watch.asking import ask

    before = stream.log(300, days=(29, 21), images=True)
    ask(stream.root, stream.look(), "random", 300)
    stream.answer(*((name, "coat") for name in before))
    assert stream.look().labelled.right.sum() == 300
    stream.log(200, days=(20, 15), shift=60, images=True)
    found = stream.look()
    assert found.is_alarm
    assert len(found.labelled.right) < 30
