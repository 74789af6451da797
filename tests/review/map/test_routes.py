"""The map is made once, kept, and has what the tables say about its images."""

import time

import pytest

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.map.making import Map
from pixmill.review.serving import ReviewSite
from tests.review.conftest import fill
from tests.visitor import Visitor


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
    workspace = project.write()
    project.predict({dress: [0.9, 0.1, 0.0]})
    project.suspect({dress: "coat"})
    fill(project.root, "unlabelled/a.jpg")
    state, points = read(workspace)
    assert state["doing"] == "ready"
    ids = [points["ids"][start : start + 64] for start in range(0, 64 * 3, 64)]
    assert (ids == sorted(ids), hidden in ids, len(points["ids"])) == (True, False, 192)
    colours = {each["name"]: each for each in points["colours"]}

    def shown(name):
        values = colours[name]["values"] + [None]
        return [values[colours[name]["of"][ids.index(image)]] for image in (coat, dress, new)]

    (new,) = {*ids} - {coat, dress}
    assert shown("Label") == ["coat", "dress", None]
    assert shown("Prediction") == ["coat", "coat", None]
    assert shown("Right or wrong") == ["right", "wrong", None]
    assert shown("Split") == ["test", "test", None]
    assert shown("Collected") == ["2026-11-20", "2026-11-21", None]
    assert points["issues"] == [ids.index(dress)]
    monkeypatch.setattr(Map, "_lay_out", None)
    assert read(workspace)[1] == points
