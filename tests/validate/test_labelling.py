"""Several labels an image: what copies, sources and people say together."""

import numpy as np

from pixmill.core.cells import parse_cells, render_cells
from pixmill.core.decisions import Row
from pixmill.core.params import ValidateParams
from pixmill.validate.labelling import co_occurrence
from pixmill.validate.page.report import render_report
from pixmill.validate.statistics import metrics
from pixmill.validate.validation import Validation, validate
from tests.validate.conftest import Scrape, encoded, image, reasons, shapes

CLASSES = ("dark", "long", "worn")


def judged(scrape: Scrape, *decisions: Row, count: int = 1) -> Validation:
    return validate(
        *scrape.tables(),
        classes=CLASSES,
        params=ValidateParams.model_validate({"min_per_class": {"count": count}}),
        folder=scrape.folder,
        decisions=decisions,
        workers=0,
        task="labels",
    )


def test_copies_merge_their_cells(scrape: Scrape) -> None:
    one = scrape.add('{"dark":true,"long":true}', image(1), image_url="a.png")
    other = scrape.add('{"long":false,"worn":false}', encoded(shapes(1), "BMP"), image_url="b.bmp")
    twice = scrape.add('{"dark":true}', image(2), image_url="c.png")
    scrape.add('{"worn":true}', image(2), image_url="d.png")
    torn = scrape.add('{"dark":true}', image(3), image_url="e.png")
    scrape.add('{"dark":false}', image(3), image_url="f.png")
    stray = scrape.add('{"blue":true,"dark":true}', image(4), image_url="g.png")
    answered = scrape.add('{"dark":true}', image(5), image_url="h.png")
    scrape.add('{"dark":false,"long":true}', image(5), image_url="i.png")
    pile = scrape.add(None, image(6), image_url="j.png")
    decisions = [Row(answered, "dark", "no"), Row(answered, "worn", "yes")]
    found = judged(scrape, *decisions)
    kept, dropped = sorted([one, other])
    assert reasons(found) == {
        dropped: f"duplicate_pixels:{kept}",
        torn: "label_conflict",
        stray: "label_undeclared",
        pile: "unlabelled",
    }
    texts = found.manifest.set_index("id")["label"]
    cells = {name: parse_cells(texts[name]) for name in (kept, twice, answered)}
    assert cells == {
        kept: {"dark": True, "worn": False},
        twice: {"dark": True, "worn": True},
        answered: {"dark": False, "long": True, "worn": True},
    }
    disputed = found.repeated.set_index("id")["labels"].to_dict()
    assert disputed == {kept: "long", torn: "dark"}
    assert metrics(found)["conflicts"] == 2
    failed = {outcome.check.name for outcome in found.outcomes if not outcome.success}
    assert {"conflicts", "labels_declared", "min_per_class"} <= failed
    assert '{"' not in render_report(
        found, folder=scrape.folder, params=ValidateParams(), workers=0
    ).replace("&#34;", '"')


def test_counts_yes_and_no_apart(scrape: Scrape) -> None:
    for seed in range(6):
        cells = {"dark": seed < 2, "long": True} | ({"worn": True} if seed % 2 else {})
        scrape.add(render_cells(cells), image(seed), image_url=f"{seed}.png")
    found = judged(scrape)
    figures = metrics(found)
    assert figures["labels"]["dark"] == {"yes": 2, "no": 4, "unknown": 0, "prevalence": 0.3333}
    assert figures["labels"]["worn"] == {"yes": 3, "no": 0, "unknown": 3, "prevalence": 1.0}
    assert figures["class_counts"] == {"dark": 2, "long": 6, "worn": 3}
    (outcome,) = (each for each in found.outcomes if each.check.name == "min_per_class")
    assert len(outcome.found) == 2
    assert "label 'long' has 6 yes and 0 no, and 0 unknown" in outcome.found[0]


def test_pairs_differ_if_they_disagree(scrape: Scrape) -> None:
    small = {"side": 200}
    scrape.add('{"dark":true,"long":true}', image(1, **small), image_url="a.png")
    scrape.add(
        '{"dark":true,"long":false}', image(1, kind="JPEG", quality=60, **small), image_url="b.jpg"
    )
    scrape.add('{"dark":true}', image(2, **small), image_url="c.png")
    scrape.add('{"long":true}', image(2, kind="JPEG", quality=60, **small), image_url="d.jpg")
    found = judged(scrape)
    assert len(found.pairs) == 2
    (pair,) = found.pairs_across_labels().itertuples()
    assert {pair.label_a, pair.label_b} == {"long", "not long"}


def test_labels_that_always_come_together() -> None:
    cells = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1], [1, -1, 1]], np.int8)
    first, *others = co_occurrence(cells, ["a", "b", "c"])
    assert first == {"a": "a", "b": "b", "both": 2, "either": 2}
    assert [(pair["a"], pair["b"], pair["both"], pair["either"]) for pair in others] == [
        ("a", "c", 2, 4),
        ("b", "c", 1, 3),
    ]


def test_label_on_which_people_disagree_is_unknown(scrape: Scrape) -> None:
    name = scrape.add('{"dark":true,"long":true}', image(1), image_url="a.png")
    found = judged(scrape, Row(name, "dark", "yes", by="ann"), Row(name, "dark", "no", by="bob"))
    assert parse_cells(found.manifest["label"].iat[0]) == {"long": True}
    assert found.repeated["labels"].tolist() == ["dark"]
