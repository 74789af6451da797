"""What people's answers say about the images that were asked about."""

import numpy as np
import pandas as pd

from pixmill.serve.watch.record import (
    draw,
    extend,
    is_recent,
    judge,
    judge_shadow,
    read_answers,
    read_record,
    save_record,
)
from tests.review.conftest import LABELS_PARAMS
from tests.serve.watch.conftest import Stream

CAME = {
    "id": [f"{number:064x}" for number in range(8)],
    "predicted": "coat",
    "shadow": [*["dress"] * 4, *["coat"] * 4],
    "second": "e" * 64,
}


def ask(stream: Stream, samples: list[str], **columns: object) -> pd.DataFrame:
    """Return a record of images that were asked about, the last one first."""
    rows = pd.DataFrame({**CAME, **columns, "time": pd.Timestamp.now("UTC").floor("ms")})
    record = extend(read_record(stream.root, stream.model), rows)
    record = record.assign(sample=samples, asked=np.arange(8)[::-1])
    save_record(stream.root, stream.model, record)
    return read_record(stream.root, stream.model)


def test_answers_count_as_they_are_now_up_to_the_first_that_waits(stream: Stream) -> None:
    record = ask(stream, ["random"] * 8)
    ids = CAME["id"]
    stream.answer((ids[7], "coat"), (ids[6], "drop"), (ids[5], "dress"), (ids[0], "coat"))
    found = judge(read_answers(stream.root, record, stream.model), stream.model, 90, 100)
    assert (found.waiting, found.dropped, found.right.tolist()) == (4, 1, [True, False])
    text = (stream.root / "decisions.csv").read_text()
    (stream.root / "decisions.csv").write_text(text.replace(f"{ids[7]},coat", f"{ids[7]},shoe"))
    found = judge(read_answers(stream.root, record, stream.model), stream.model, 90, 100)
    assert found.right.tolist() == [False, False]


def test_a_label_that_the_project_knows_is_an_answer(stream: Stream) -> None:
    name = stream.project.add("shoe")
    stream.project.write()
    record = ask(stream, ["random"] * 8, id=[*CAME["id"][:7], name])
    answers = read_answers(stream.root, record, stream.model)
    assert answers["truth"].dropna().tolist() == ["shoe"]
    assert not judge(answers, stream.model, 90, 100).right.any()


def test_of_several_labels_all_must_be_known(stream: Stream) -> None:
    from dataclasses import replace

    stream.project.rows.clear()
    stream.project.params = LABELS_PARAMS
    stream.project.write()
    labels = ("dark", "long", "sleeves")
    model = replace(stream.model, task="labels", labels=labels)
    record = ask(stream, ["random"] * 8, predicted='{"dark":true}')
    rows = [
        *((0, label, "no" if label == "long" else "yes") for label in labels),
        *((7, label, "yes" if label == "dark" else "no") for label in labels),
        (6, "dark", "yes"),
        (6, "long", "no"),
    ]
    lines = [f"{CAME['id'][number]},{label},{answer},,mk,\n" for number, label, answer in rows]
    head = "image,label,answer,split,by,why\n"
    (stream.root / "decisions.csv").write_text(head + "".join(lines))
    answers = read_answers(stream.root, record, model)
    assert answers["waiting"].tolist() == [False, *[True] * 6, False]
    assert judge(answers, model, 90, 100).right.tolist() == [True]
    # A second answer of somebody else, as after a merge, is a dispute.
    with (stream.root / "decisions.csv").open("a") as file:
        file.write(f"{CAME['id'][7]},dark,no,,jo,\n")
    assert read_answers(stream.root, record, model)["waiting"].iloc[0]


def test_a_second_model_is_judged_where_one_of_two_is_right(stream: Stream) -> None:
    record = ask(stream, ["random", "disagreement", "disagreement", "doubtful"] * 2)
    ids = CAME["id"]
    stream.answer(*zip(ids, ["dress", "coat", "shoe", "dress", "dress"], strict=False))
    answers = read_answers(stream.root, record, stream.model)
    found = judge_shadow(record, answers, stream.model)
    assert found is not None
    assert (found.waiting, found.right.tolist()) == (0, [False, True])
    alone = record.assign(shadow=None)
    assert judge_shadow(alone, answers, stream.model) is None


def test_images_are_drawn_once_and_in_an_order_that_no_time_decides(stream: Stream) -> None:
    names = stream.log(40)
    record = stream.look().record
    drawn = draw(record, "random", names[:30])
    assert sorted(drawn) == sorted(names[:30])
    assert drawn != names[:30]
    later = record.assign(asked=record["asked"].mask(record["id"] == drawn[0], 1))
    assert draw(later, "random", names[:30]) == drawn[1:]
    assert draw(record, "disagreement", names) == []


def test_recent_images_are_those_after_the_accepted_ones() -> None:
    accepted = pd.DataFrame({"accepted": [False, True, True, False, False]})
    assert is_recent(accepted).tolist() == [False, False, False, True, True]
    assert is_recent(accepted[3:]).all()
