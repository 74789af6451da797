"""What people decide on the page is what the comparison shows, with what it did to the metrics."""

import re

import pytest

from pixmill.compare.comparing import compare
from pixmill.core.files import file_digest
from pixmill.core.params import load_params
from pixmill.core.workspace import Workspace
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
from pixmill.validate.decisions import read_decisions
from tests.browsing import open_chrome
from tests.end_to_end.conftest import CLASSES, PER_CLASS
from tests.review.browsing import Page
from tests.review.conftest import Review

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SWAPPED = {"dress": ("sneaker", 2), "sneaker": ("dress", 2), "trouser": ("sneaker", 2)}
"""The wrong label of each class, and how many of its images get it: such as the model disputes."""


NEW = {"dress": 2, "sneaker": 1, "trouser": 2}
"""How many images of each class users of the served model correct it on."""


@pytest.fixture
def mislabelled(new_project, bundled_images):
    """A project that was run with six wrong labels, the right labels by id, and those of new images in the inbox."""
    project = new_project()
    # The model disputes labels and few others, since it has good features.
    project.edit(("model: cnn", "model: features"), ("source: shop", "source: folder"), (", label_errors: 0", ""))
    truth, new, inbox = {}, {}, Inbox(project.path / "inbox")
    for label, (wrong, count) in SWAPPED.items():
        for path in sorted((project.path / "data" / label).glob("0*.png"))[2 : 2 + count]:
            truth[file_digest(path)] = label
            path.rename(project.path / "data" / wrong / f"{label}-{path.name}")
    for label, count in NEW.items():
        for path in sorted((bundled_images / label).glob("*.png"))[PER_CLASS : PER_CLASS + count]:
            told = {"extension": ".png", "prediction": {"label": SWAPPED[label][0], "confidence": 0.6}, "model": {}}
            content = path.read_bytes()
            new[inbox.add(content, correction_of(content, label=label, **told))] = label
    project.repro()
    project.commit("Wrong labels")
    return project, truth, new


class Project:
    """What the page needs to know of a project."""

    def __init__(self, path):
        self.review = path / "review.csv"
        self.sitting = Review(path, "--no-open")


def correct(path, truth, new):
    """Correct wrong labels as a person who sees what is on the images, and return the kinds that showed them.

    New images are accepted.
    """
    project, left, kinds = Project(path), dict(truth), set()
    try:
        with open_chrome() as browser:
            page = Page(browser, project)
            for _ in range(page.run("document.getElementById('progress').max")):
                name, *others = page.cards()
                if name in new:
                    page.press("k")
                elif others or name not in left:
                    page.press("n")
                else:
                    label = left.pop(name)
                    kinds.add(page.run("document.querySelector('#kinds [aria-current]').textContent").split()[0])
                    suggested = page.run("document.querySelector('#accept').textContent") == f"Relabel to '{label}'"
                    page.press(*("a" if suggested else ("r", str(CLASSES.index(label) + 1))))
    finally:
        code, told = project.sitting.end()
    assert (code, left) == (0, {})
    assert f"{len(truth)} decisions written to review.csv, {len(new)} images accepted into data/, 0 dropped." in told
    return kinds


def test_what_was_corrected_and_accepted_on_the_page_is_what_the_comparison_shows(mislabelled):
    project, truth, new = mislabelled
    before = project.metrics("evaluate")
    assert (len(truth), len(new)) == (6, 5)
    assert {"labels", "errors"} <= correct(project.path, truth, new)
    written = read_decisions(project.path / "review.csv", CLASSES)
    assert {line.image: (line.verb, line.label) for line in written} == {
        name: ("relabel", label) for name, label in truth.items()
    }

    project.repro()
    found = compare(Workspace(project.path, project.path), load_params(project.path))
    assert found.base.commit == project.git("rev-parse", "HEAD").strip()
    assert found.head.is_workspace
    images = {change: rows.set_index("id") for change, rows in found.data.images.groupby("change")}
    assert images.keys() == {"relabelled", "added"}
    assert images["relabelled"]["head_label"].to_dict() == truth
    assert images["relabelled"]["base_label"].to_dict() == {name: SWAPPED[label][0] for name, label in truth.items()}
    assert images["added"]["head_label"].to_dict() == new
    for name, origin in images["added"]["image_url"].items():
        assert re.fullmatch(rf"data/{new[name]}/feedback-\d{{4}}-\d\d-\d\d-{name[:16]}\.png", origin)

    after = project.metrics("evaluate")
    assert after["accuracy"] > before["accuracy"]
    assert after["macro_f1"] > before["macro_f1"]
    steps = [step.value for step in found.numbers.steps]
    assert [steps[0], steps[-1]] == pytest.approx([before["macro_f1"], after["macro_f1"]], abs=1e-6)
