"""The state of the grid: sections, orders and scopes of images, and what actions change."""

import numpy as np
import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.review.grid.grid import Grid, View
from pixmill.review.grid.labels import ChangedError
from tests.review.conftest import CLASSES, jpeg
from tests.waiting import until

COUNT = 90
SAMPLE = 30  # a third


class Table:
    """The grid of unlabelled images of three classes, whose features are those of the classes.

    Args:
        root: Project folder.
    """

    def __init__(self, root, doubts=None):
        self.grid = Grid(
            Workspace(root, root),
            load_params(root),
            "ann",
            lambda kind: (doubts or {}).get(kind, []),
        )
        self.pile = self.grid.pile
        self.pile.identify(range(len(self.pile)))
        centres = np.random.default_rng(0).normal(0, 1, (3, 8))
        places = [
            int(name.split("/")[-1][0]) if name.startswith("data/") else 0
            for name in self.pile.names
        ]
        noise = np.random.default_rng(1).normal(0, 0.3, (len(places), 8))
        self.truth = [CLASSES[place] for place in places]
        values = (centres[places] + noise).astype(np.float16)
        self.pile.features = lambda rows: values[list(rows)]
        self.pile.featured[:] = True

    def state(self, *view, known=""):
        return self.grid.state(View(*view), "one", known)

    def ready(self):
        """Return the state once the features are known."""
        until(
            lambda: (
                self.state()["stage"]
                and any(each["kind"] != "sample" for each in self.state()["sections"])
            )
        )
        until(lambda: "waiting" not in self.rows(self.state()))
        return self.state()

    def rows(self, state):
        """Return the rows of each kind of section."""
        found = {}
        for each in state["sections"]:
            found.setdefault(each["kind"], []).extend(
                state["rows"][each["start"] : each["start"] + each["count"]]
            )
        return found

    def give(self, rows, label=None, window="one", version=None):
        version = self.pile.version if version is None else version
        return self.grid.act(
            rows, self.truth[rows[0]] if label is None else label, window=window, version=version
        )

    def name_clusters(self):
        """Label the images of the clusters, as many as a head needs."""
        rows = self.rows(self.ready())["cluster"]
        for label in CLASSES:
            self.give([row for row in rows if self.truth[row] == label][:8])


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "data/unlabelled"
    folder.mkdir(parents=True)
    for number in range(COUNT):
        (folder / f"{number % 3}-{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "params.yaml").write_text(
        f"classes: [{', '.join(CLASSES)}]\nscrape: {{source: folder, snapshot: '2026-11-20'}}\n"
    )
    return Table(tmp_path)


def test_from_nothing_the_sample_comes_first_then_clusters(table):
    state = table.ready()
    rows = table.rows(state)
    assert (state["stage"], len(rows["sample"]), len(rows["cluster"])) == (
        1,
        SAMPLE,
        COUNT - SAMPLE,
    )
    assert state["sample"] == {"size": SAMPLE, "left": SAMPLE, "grows": False}
    assert {*state["guess"]} == {-1}
    assert (state["labelled"], state["left"], state["accuracy"]) == (0, COUNT, None)
    assert [(each["name"], each["key"]) for each in state["classes"]] == [
        ("coat", "1"),
        ("dress", "2"),
        ("shoe", "3"),
    ]


def test_a_few_labels_sort_the_others_and_the_sample_measures_them(table):
    table.name_clusters()
    state = table.state()
    rows = table.rows(state)
    for row, guess in zip(state["rows"], state["guess"], strict=True):
        assert guess in (-1 if row in rows["sample"] else CLASSES.index(table.truth[row]), -1)
    assert len(rows["probably"]) > 10
    for row in rows["sample"]:
        table.give([row])
    accuracy = table.state()["accuracy"]
    assert (accuracy["n"], accuracy["value"]) == (SAMPLE, 1.0)
    assert 0.85 < accuracy["low"] < accuracy["high"] <= 1
    splits = (table.grid.pile.root / "data/metadata.csv").read_text()
    assert splits.count(",train,") == 24
    assert splits.count(",test,") + splits.count(",val,") == SAMPLE


def test_suggestions_learn_nothing_from_validation_and_test(table):
    table.name_clusters()
    path = table.pile.root / "data/metadata.csv"
    path.write_text(path.read_text().replace(",train,", ",test,"))
    again = Table(table.pile.root)
    assert {*again.rows(again.ready())} == {"sample", "cluster"}
    assert not any(again.grid._learnt)


def test_the_sample_grows_by_images_without_a_label(table, monkeypatch):
    monkeypatch.setattr("pixmill.review.grid.grid.SAMPLE", 10)
    again = Table(table.pile.root)
    again.name_clusters()
    first = again.rows(again.state())["sample"]
    again.grid.grow()
    grown = again.rows(again.state())["sample"]
    assert (len(first), len(grown), grown[:10]) == (10, 15, first)
    assert not any(again.pile.labels[row] for row in grown)


def test_no_order_suggests_a_label_for_images_of_the_sample(table):
    table.name_clusters()
    sample = {*table.rows(table.state())["sample"]}
    for view in (
        ("unlabelled", "belief", "coat"),
        ("unlabelled", "sure"),
        ("all", "like", "", 0),
        ("all", "unlike"),
    ):
        assert not sample & {*table.state(*view)["rows"]}


def test_orders(table):
    table.name_clusters()
    best = table.state("unlabelled", "belief", "dress")["rows"]
    assert [table.truth[row] for row in best[:5]] == ["dress"] * 5
    near = table.state("all", "like", "", best[0])["rows"]
    assert near[0] == best[0]
    assert [table.truth[row] for row in near[:5]] == ["dress"] * 5
    wrong = next(row for row in best if table.truth[row] == "shoe")
    table.give([wrong], "coat")
    assert table.state("class:coat", "belief", "coat")["rows"][0] == wrong
    assert sorted(table.state("unlabelled", "unlike")["rows"]) == sorted(
        table.state("unlabelled", "sure")["rows"]
    )


def test_images_are_left_out_while_the_order_is_known(table):
    state = table.ready()
    assert "rows" not in table.state(known=state["order"])
    first, second = table.rows(state)["sample"][:2]
    table.give([first])
    after = table.state(known=state["order"])
    assert first not in after["rows"]
    assert second in after["rows"]
    assert table.grid.undo("one")["rows"] == [first]
    assert first in table.state()["rows"]
    assert table.grid.undo("one")["rows"] == []


def test_an_action_on_images_that_another_window_changed_is_refused(table):
    version = table.ready()["version"]
    table.give([0], "coat")
    assert table.grid.state(View(), "two")["others"][0]["images"] == 1
    with pytest.raises(ChangedError):
        table.give([0, 1], "dress", window="two", version=version)
    assert [table.pile.labels[row] for row in (0, 1)] == ["coat", None]
    with pytest.raises(PixmillError, match="no such image"):
        table.give([COUNT], "coat")


def test_scopes_of_a_run(project):
    torn = project.add("coat", query="warm coat")
    dress = project.add("dress")
    for seen, query in zip(project.sightings, ("warm coat", None), strict=True):
        seen["query"] = query
    project.write()
    (project.root / "data/unlabelled").mkdir(parents=True)
    (project.root / "data/unlabelled/0.jpg").write_bytes(jpeg(500))
    table = Table(project.root, {"outliers": [dress, torn, "0" * 64]})
    rows = {table.pile.image(row).id: row for row in range(3)}
    state = table.state("doubt:outliers", "files")
    assert state["rows"] == [rows[dress], rows[torn]]
    assert [state["classes"][place]["name"] for place in state["given"]] == ["dress", "coat"]
    assert state["queries"] == ["warm coat"]
    assert "outliers" in state["doubts"]
    assert table.state("query:warm coat", "files")["rows"] == [rows[torn]]
    assert table.state("class:dress", "files")["rows"] == [rows[dress]]
    assert len(table.state("all", "files")["rows"]) == 3
    table.give([rows[torn]], "")
    assert table.state("all", "files")["dropped"] == 1
    assert project.lines() == [f"{torn},drop,,ann,"]
