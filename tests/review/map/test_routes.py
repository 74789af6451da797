"""The map is made once, kept, and has what the tables say about its images."""

import os
import threading
import time

import pytest

from pixmill.core.errors import PixmillError
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.map.making import Map, Maps
from pixmill.review.serving import ReviewSite
from tests.review.conftest import fill
from tests.visitor import Visitor
from tests.waiting import until

WORK = {"hashed", "network", "featured", "layout"}


def read(workspace):
    """Return the state of the map when it is ready, and its points."""
    site = ReviewSite(workspace, by="mk")
    with site, PrivateServer(make_app(site.routes()), command="x", start="review/map/") as server:
        client = Visitor(server.new_address())
        for _ in range(600):
            state = client.get_json("state")
            if state.get("doing") == "ready" or "problem" in state:
                break
            time.sleep(0.1)
        return state, client.get_json("points")


@pytest.mark.usefixtures("features")
def test_the_map_is_made_once_and_has_what_is_known(project, monkeypatch):
    coat, dress = project.add("coat"), project.add("dress", snapshot="2026-11-21")
    hidden = project.add("coat", reason="too_small")
    project.fill("shirt", 7)
    workspace = project.write()
    project.predict({dress: [0.9, 0.1, 0.0]})
    project.suspect({dress: "coat"})
    fill(project.root, "unlabelled/a.jpg")
    state, points = read(workspace)
    assert state["doing"] == "ready"
    ids = [points["ids"][start : start + 64] for start in range(0, 64 * 10, 64)]
    assert (ids == sorted(ids), hidden in ids, len(points["ids"])) == (True, False, 640)
    colours = {each["name"]: each for each in points["colours"]}

    def shown(name):
        values = colours[name]["values"] + [None]
        return [values[colours[name]["of"][ids.index(image)]] for image in (coat, dress, new)]

    new = ids[points["colours"][0]["of"].index(-1)]
    assert shown("Label") == ["coat", "dress", None]
    assert shown("Prediction") == ["coat", "coat", None]
    assert shown("Right or wrong") == ["right", "wrong", None]
    assert shown("Split") == ["test", "test", None]
    assert shown("Collected") == ["2026-11-20", "2026-11-21", None]
    assert points["issues"] == [ids.index(dress)]
    monkeypatch.setattr(Map, "_lay_out", None)
    again = read(workspace)[1]
    assert again == points | {"number": again["number"]}
    header = "image,label,answer,split,by,why"
    project.decisions.write_text(f"{header}\n{dress},,keep,,mk,\n")
    assert read(workspace)[1]["issues"] == []


def ended(maps, session):
    """Return the first state of the map of a session that is not one of work."""
    found = []
    until(lambda: found.append(maps.state(session)) or found[-1].get("doing") not in WORK)
    return found[-1]


@pytest.mark.usefixtures("features")
def test_few_images_have_no_map(project, tmp_path):
    project.add("coat")
    with ReviewSite(project.write(), by="mk") as site:
        state = ended(Maps(tmp_path / "maps"), site.load())
    assert "10 images" in state["problem"]


@pytest.mark.usefixtures("features")
def test_a_map_that_cannot_be_laid_out_says_why(project, tmp_path, monkeypatch):
    """The process has ended before it gets its work."""
    project.fill("coat", 12)
    (tmp_path / "sklearn.py").write_text("raise ImportError('sklearn is damaged')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    lay_out = Map._lay_out

    def wait(made, file, process):
        process.wait(60)
        lay_out(made, file, process)

    monkeypatch.setattr(Map, "_lay_out", wait)
    with ReviewSite(project.write(), by="mk") as site:
        state = ended(Maps(tmp_path / "maps"), site.load())
    assert state["problem"] == "the map failed: ImportError: sklearn is damaged"


@pytest.mark.usefixtures("features")
def test_the_map_of_a_project_that_changed_is_not_shown(project, tmp_path, monkeypatch):
    """A map is of the images of its session, whenever it is ready; a failure is shown once."""
    project.fill("coat", 12)
    maps = Maps(tmp_path / "maps")
    lay_out = Map._lay_out
    may_end = threading.Event()

    def wait(made, *arguments):
        assert may_end.wait(10)
        lay_out(made, *arguments)

    monkeypatch.setattr(Map, "_lay_out", wait)
    with ReviewSite(project.write(), by="mk") as site:
        first = site.load()
        maps.state(first)
        with pytest.raises(PixmillError):
            maps.ready()
        project.add("coat")
        project.write()
        second = site.load()
        assert second is not first
        assert maps.state(second)["doing"] in WORK
        may_end.set()
        assert ended(maps, second) == {
            "number": second.number,
            "doing": "ready",
            "done": 0,
            "total": 0,
        }
        assert (maps.ready().session, len(maps.ready().rows)) == (second, 13)

        def fail(*_):
            raise OSError("full")

        monkeypatch.setattr(Map, "_lay_out", fail)
        failing = Maps(tmp_path / "other")
        assert ended(failing, second)["problem"] == "full"
        monkeypatch.undo()
