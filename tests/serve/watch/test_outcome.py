"""The next step in an alarm: each leads on, until none is left."""

from dataclasses import replace

from pixmill.serve.watch.asking import ask
from pixmill.serve.watch.outcome import document
from pixmill.serve.watch.watching import Watch, accept
from tests.serve.watch.conftest import Stream


def step(found: Watch) -> str:
    """Return the last option of the next command, or the command if it has none."""
    return str(document(found)["command"] or "").partition(" --")[2].partition(" ")[0]


def alarm(stream: Stream, **columns: object) -> Watch:
    stream.log(200, days=(20, 11))
    stream.log(200, days=(9, 1), shift=60, **columns)  # type: ignore[arg-type]
    return stream.look()


def answer(stream: Stream, found: Watch, label: str) -> Watch:
    waits = found.answers.loc[found.answers["waiting"], "id"]
    stream.answer(*((name, label) for name in waits))
    return stream.look()


def test_labels_that_hold_lead_to_accepted_images(stream: Stream) -> None:
    found = alarm(stream, images=True)
    assert step(found) == "label"
    found = ask(stream.root, found, "random", 60)
    assert step(found) == "label"  # they wait
    found = answer(stream, found, "coat")
    assert step(found) == "accept"
    found = accept(stream.look())
    assert document(found)["alarm"] is False
    assert document(found)["command"] is None
    stream.log(200, days=(0.9, 0.1), shift=-60, images=True)
    assert step(stream.look()) == "label"  # answers about earlier images do not count


def test_labels_that_do_not_hold_lead_to_another_model(stream: Stream) -> None:
    found = answer(stream, ask(stream.root, alarm(stream, images=True), "random", 60), "shoe")
    assert document(found)["labelled"]["decided"] is True
    assert step(found) == "doubtful"
    found = ask(stream.root, found, "doubtful", 20)
    assert step(found) == "doubtful"  # they wait
    found = answer(stream, found, "shoe")
    assert document(found)["command"] == "dvc repro && pixmill promote"


def test_without_images_they_must_be_kept_first(stream: Stream) -> None:
    assert step(alarm(stream)) == "log"
    stream.log(60, days=(0.5, 0.1), shift=60, images=True)
    assert step(stream.look()) == "label"


def test_an_alarm_withholds_shares_unless_only_they_differ(stream: Stream) -> None:
    stream.log(200, days=(20, 11))
    assert set(document(stream.look())["shares"]) == set(stream.model.labels)
    stream.log(200, days=(9, 1), shift=60)
    found = stream.look()
    assert document(found)["alarm"] is True
    assert document(found)["shares"] == {}
    only_shares = replace(found.difference, only_shares=True)
    assert set(replace(found, difference=only_shares).shares) == set(stream.model.labels)
    assert document(accept(found))["shares"] == {}
