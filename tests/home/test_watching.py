"""The state is looked at again and again; what is slow is looked at seldom."""

import time
from dataclasses import replace

from pixmill.home import watching
from pixmill.home.project_state import ProjectState
from pixmill.home.watching import Watch
from tests.tiny_project import change_param
from tests.waiting import until


def statuses(watch):
    return {stage["name"]: stage["status"] for stage in watch.document["stages"]}


def test_a_change_in_a_file_is_seen(project):
    with Watch(project) as watch:
        until(lambda: watch.document)
        assert {*statuses(watch).values()} == {"fresh"}
        change_param(project, "epochs: 3", "epochs: 4")
        until(lambda: statuses(watch)["train"] == "stale")
        assert watch.document["next"][0]["command"] == "dvc repro"


def test_the_disk_is_measured_after_the_first_look_and_seldom(tmp_path):
    asked = []

    def read(root, *, with_disk, with_champion):
        asked.append((with_disk, with_champion))
        return ProjectState(root, disk={"data/": 5} if with_disk else {})

    with Watch(tmp_path, read, soon=0.01) as watch:
        until(lambda: len(asked) > 5)
        assert watch.document["disk"] == {"data/": 5}
    assert [disk for disk, _ in asked[:4]] == [False, True, False, False]


def test_a_promotion_is_seen_by_the_next_look(tmp_path):
    asked = []

    def read(root, *, with_disk, with_champion):
        asked.append(with_champion)
        return ProjectState(root)

    with Watch(tmp_path, read, soon=0.01):
        until(lambda: len(asked) > 3)
        before = sum(asked)
        (tmp_path / "mlflow.db").touch()
        until(lambda: sum(asked) > before)


def test_mlflow_is_asked_seldom_and_nothing_is_guessed_meanwhile(tmp_path):
    asked, documents = [], []

    def read(root, *, with_disk, with_champion):
        asked.append(with_champion)
        documents.append(watch.document)
        state = ProjectState(root, has_store=True)
        return state if not with_champion else replace(state, has_store=False, faults={"model in production": "down"})

    watch = Watch(tmp_path, read, soon=0.01)
    with watch:
        until(lambda: len(asked) > 5)
    assert asked[:4] == [False, True, False, False]
    kinds = [[step["kind"] for step in each["next"]] for each in documents[1:]]
    assert all("promote" not in steps for steps in kinds[:1])
    assert all(each["faults"] == {"model in production": "down"} for each in documents[2:])


def test_a_look_that_fails_is_told_and_the_next_one_counts(tmp_path):
    fails = [True]

    def read(root, **_):
        if fails:
            raise OSError("the disk is gone")
        return ProjectState(root)

    with Watch(tmp_path, read, soon=0.01) as watch:
        until(lambda: watch.fault)
        assert watch.fault == "the disk is gone"
        fails.clear()
        until(lambda: watch.document and not watch.fault)


def test_whoever_did_something_waits_for_no_look(tmp_path):
    asked = []

    def read(root, **_):
        asked.append(None)
        return ProjectState(root)

    with Watch(tmp_path, read, soon=60) as watch:
        until(lambda: len(asked) == 1)
        watch.look_soon()
        until(lambda: len(asked) == 2, seconds=5)


def test_it_rests_while_nobody_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "_UNASKED_SECONDS", 0.5)
    looks = []

    def read(root, **_):
        looks.append(None)
        return ProjectState(root)

    with Watch(tmp_path, read, soon=0.01) as watch:
        time.sleep(1.0)
        rested = len(looks)
        time.sleep(0.5)
        assert len(looks) == rested
        assert watch.document
        until(lambda: len(looks) > rested)


def test_looks_take_half_of_the_time_whatever_is_written_meanwhile(tmp_path):
    looks = []

    def read(root, **_):
        looks.append(time.monotonic())
        (tmp_path / "dvc.lock").write_text(str(len(looks)))
        time.sleep(0.5)
        return ProjectState(root)

    with Watch(tmp_path, read, soon=0.01):
        until(lambda: len(looks) == 3)
    assert looks[2] - looks[0] >= 4 * 0.5
