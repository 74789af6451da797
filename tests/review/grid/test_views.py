"""What the grid shows: sections, orders and scopes of images, and what labels change."""

import numpy as np
import pytest

from pixmill.review.choices import Choice
from tests.review.conftest import CLASSES, Desk, fill
from tests.waiting import until

COUNT = 90
SAMPLE = 30  # a third


class Table(Desk):
    """The grid of unlabelled images of three classes, whose features are those of the classes.

    Args:
        root: Project folder.
    """

    def __init__(self, root):
        super().__init__(root)
        centres = np.random.default_rng(0).normal(0, 1, (3, 8))
        places = [
            int(name.split("/")[-1][0]) if name.startswith("data/") else 0
            for name in self.images.names
        ]
        noise = np.random.default_rng(1).normal(0, 0.3, (len(places), 8))
        self.truth = [CLASSES[place] for place in places]
        values = (centres[places] + noise).astype(np.float16)
        self.images.features = lambda rows: values[list(rows)]
        self.images.featured[:] = True

    def ready(self):
        """Return the state once the features are known."""
        until(lambda: self.state()["stage"] and "waiting" not in self.kinds(self.state()))
        return self.state()

    def renewed(self):
        """Return the state after the suggestions were renewed."""
        number = self.session.advisor.last.number
        until(lambda: self.state() and self.session.advisor.last.number > number)
        return self.state()

    def kinds(self, state):
        """Return the rows of each kind of section."""
        found = {}
        for each in state["sections"]:
            found.setdefault(each["kind"], []).extend(
                state["rows"][each["start"] : each["start"] + each["count"]]
            )
        return found

    def give(self, rows, label=None, **options):
        label = self.truth[rows[0]] if label is None else label
        verb = "label" if label else "drop"
        version = self.session.version
        return self.session.decide(
            [Choice(rows, verb, label)], window="one", version=version, **options
        )

    def name_clusters(self):
        """Label the images of the clusters, as many as a head needs."""
        rows = self.kinds(self.ready())["cluster"]
        for label in CLASSES:
            self.give([row for row in rows if self.truth[row] == label][:8])
        return self.renewed()


@pytest.fixture
def table(tmp_path):
    fill(tmp_path, *(f"unlabelled/{number % 3}-{number}.jpg" for number in range(COUNT)))
    return Table(tmp_path)


def test_from_nothing_the_sample_comes_first_then_clusters(table):
    state = table.ready()
    rows = table.kinds(state)
    assert (state["stage"], state["waits"], len(rows["sample"])) == (1, False, SAMPLE)
    assert len(rows["cluster"]) == COUNT - SAMPLE
    drawn = {"size": SAMPLE, "left": SAMPLE, "labelled": 0, "before": 0, "grows": False}
    assert state["sample"] == drawn
    assert {*state["guess"]} == {-1}
    assert (state["labelled"], state["left"], state["accuracy"]) == (0, COUNT, None)
    assert [each["name"] for each in state["classes"]] == ["coat", "dress", "shoe"]


def test_a_few_labels_sort_the_others_and_the_sample_measures_them(table):
    state = table.name_clusters()
    rows = table.kinds(state)
    for row, guess in zip(state["rows"], state["guess"], strict=True):
        assert guess in (-1 if row in rows["sample"] else CLASSES.index(table.truth[row]), -1)
    assert len(rows["probably"]) > 10
    for label in CLASSES:
        table.give([row for row in rows["sample"] if table.truth[row] == label])
    accuracy = table.renewed()["accuracy"]
    assert (accuracy["n"], accuracy["value"]) == (SAMPLE, 1.0)
    assert 0.85 < accuracy["low"] < accuracy["high"] <= 1


def test_suggestions_learn_nothing_from_validation_and_test(table):
    table.name_clusters()
    path = table.root / "decisions.csv"
    path.write_text(path.read_text().replace(",train,", ",test,"))
    again = Table(table.root)
    assert {*again.kinds(again.ready())} == {"sample", "cluster"}
    assert not any(again.session.advisor.last.learnt)


def test_the_sample_grows_by_images_without_a_label(table, monkeypatch):
    monkeypatch.setattr("pixmill.review.grid.advice.SAMPLE", 10)
    again = Table(table.root)
    first = again.kinds(again.name_clusters())["sample"]
    again.session.grow()
    grown = again.kinds(again.renewed())["sample"]
    assert (len(first), len(grown), grown[:10]) == (10, 15, first)
    assert not any(again.session.labels[row] for row in grown)


def test_no_order_suggests_a_label_for_images_of_the_sample(table):
    sample = {*table.kinds(table.name_clusters())["sample"]}
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
    table.renewed()
    assert table.state("class:coat", "belief", "coat")["rows"][0] == wrong
    unlike = table.state("unlabelled", "unlike")["rows"]
    assert sorted(unlike) == sorted(table.state("unlabelled", "sure")["rows"])
    for sort in ("sure", "belief"):
        assert table.state("query:of no image", sort, "coat")["rows"] == []


def test_images_are_left_out_while_the_order_is_known(table):
    state = table.ready()
    assert "rows" not in table.state(known=state["order"])
    first, second = table.kinds(state)["sample"][:2]
    table.give([first])
    after = table.state()
    assert first not in after["rows"]
    assert second in after["rows"]
    table.undo()
    assert first in table.state()["rows"]


def test_scopes_of_a_run(project):
    torn = project.add("coat", query="warm coat")
    odd = project.fill("dress", 12)[-1]
    project.rows[odd] |= {"brightness": 1.0}
    project.sightings[0]["query"] = "warm coat"
    project.write()
    project.predict({torn: (0.3, 0.1, 0.6)})
    fill(project.root, "unlabelled/0.jpg")
    table = Table(project.root)
    state = table.state("doubt:outliers", "files")
    assert state["rows"] == table.rows(odd)
    assert [state["classes"][place]["name"] for place in state["given"]] == ["dress"]
    assert state["queries"] == ["warm coat"]
    assert "outliers" in state["doubts"]
    assert table.state("query:warm coat", "files")["rows"] == table.rows(torn)
    assert len(table.state("class:dress", "files")["rows"]) == 12
    assert table.state("errors", "files", "coat", -1, "shoe")["rows"] == table.rows(torn)
    assert not table.state("errors", "files", "dress")["rows"]
    assert len(table.state("all", "files")["rows"]) == 14
    table.give(table.rows(torn), "")
    assert table.state("all", "files")["dropped"] == 1
    assert project.said() == {(torn, "drop", "", "")}
