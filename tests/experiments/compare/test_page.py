"""The page of a comparison, complete and incomplete."""

import re
from dataclasses import replace

import pytest

from pixmill.experiments.compare.comparison import Gate
from pixmill.experiments.compare.page import choose_images
from pixmill.experiments.compare.page import render_page as page_of
from pixmill.tracking.run_lookup import MlflowRun
from pixmill.validate.reasons import REASONS
from tests.experiments.compare.compared import (
    CURVES,
    comparison,
    data,
    made_slice,
    name_of,
    numbers,
    revision,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def render_page(made):
    return page_of(made, choose_images(made))


def words(page):
    """Return the text of a page."""
    text = re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", page.replace("<wbr>", ""), flags=re.S)
    return " ".join(text.replace("&#39;", "'").replace("\N{MINUS SIGN}", "-").split())


@pytest.fixture(scope="module")
def whole():
    return render_page(comparison(images=True))


@pytest.mark.parametrize(
    ("verdict", "heading"),
    [
        ("better", "Better"),
        ("worse", "Worse"),
        ("same", "About the same"),
        ("undecided", "No clear difference"),
        ("not_comparable", "Not comparable"),
    ],
)
def test_verdict_comes_first(verdict, heading):
    nothing = {"data": None, "changes": None, "missing": (), "gate": Gate("pass", ())}
    text = words(
        render_page(comparison(verdict, **nothing, numbers=numbers(lost=0, gained=0, steps=())))
    )
    assert f"{heading} {verdict.replace('_', ' ')} Macro-F1 falls from 0.900 to 0.800." in text
    assert "None: both models are right on the same images." in text
    assert "No error is more or less frequent than before." in text


def test_cells_of_the_confusion_matrix_lead_to_their_flips(whole):
    cells = re.findall(r'<a href="#(flip-[^"]*)">', whole)
    assert cells
    assert [whole.count(f' id="{name}"') for name in cells] == [1] * len(cells)


def test_deciding_metric_is_first(whole):
    rows = [words(row) for row in re.findall(r"<tr.*?</tr>", whole, re.S) if 'class="limit"' in row]
    assert rows[0] == "macro-F1 worse decides the verdict 0.900 0.800 -0.100 -0.130 to -0.070"
    assert [row.split()[0] for row in rows[1:3]] == ["accuracy", "log"]
    # A higher loss is worse; only the deciding metric has a margin.
    assert re.findall(r'class="interval (\w*)"', whole)[:3] == ["bad", "", "bad"]
    assert whole.count('class="margin"') == 1
    assert "Right before only: 6 images; now only: 3 (McNemar's exact test: p = 0.508)." in words(
        whole
    )
    assert "common images 100 0.900 -0.010" in words(whole)


def test_slices_are_grouped_and_folded():
    slices = (
        *(
            made_slice("class", f"coat {place}", 0.5, 0.501 + place / 100, 0.3)
            for place in range(24)
        ),
        *(
            made_slice("source", "shop", 0.7, 0.8, 0.01),
            made_slice("source", "bing", 0.9, 0.6, 0.03),
        ),
        *(
            made_slice("source", "tiny", 0.5, 0.7, None),
            made_slice("brightness", "up to 7", 0.5, 0.5, 1.0),
        ),
    )
    page = render_page(comparison(numbers=numbers(slices=slices)))
    text = words(page[page.index('id="slices"') : page.index('id="confusion"')])
    assert (
        "Of 27 slices (10 images or more, near-duplicates counted once), 2 changed significantly."
        in text
    )
    assert re.search(
        r"By source .* bing worse 40 .* tiny 40 .* shop better 40 .* Class, brightness: no sig",
        text,
    )
    assert re.search(
        r"significant change By class .* coat 23 40 .* and 4 more slices By brightness .* up to 7 "
        r"40",
        text,
    )
    assert "coat 3 40" not in text


def test_confusion_cells(whole):
    cells = re.findall(
        r"var\(--(\w+)\) \d+%, transparent\)\">(?:<a [^>]*>)?([-+]\d+)(?:</a>)?<small>(\d+) → "
        r"(\d+)<",
        whole.replace("\N{MINUS SIGN}", "-"),
    )
    # Two fewer coats are right, two more are predicted as shirts.
    assert ("bad", "-2", "20", "18") in cells
    assert ("bad", "+2", "0", "2") in cells
    assert ("good", "-1", "1", "0") in cells
    assert all(int(gap) == int(after) - int(before) for _, gap, before, after in cells)


def test_flip_cards(whole):
    card = next(
        card
        for card in re.findall(r"<figure class=.card.*?</figure>", whole, re.S)
        if name_of(0)[:12] in card
    )
    assert re.fullmatch(r"coat before: ✓ coat \d+ % now: ✗ shirt \d+ % \w{12}", words(card))
    assert 'src="data:image/jpeg;base64,' in card
    assert 'alt="coat: before coat, now shirt"' in card


def test_curves_of_both_revisions_share_a_chart(whole):
    charts = re.findall(r'<svg class="chart".*?</svg>', whole)
    assert [re.search('aria-label="([^"]*)"', chart)[1] for chart in charts] == [
        "Accuracy by confidence, of base and head",
        "Accuracy against coverage, of base and head",
        "val loss of base and head",
        "val accuracy of base and head",
    ]
    assert all(chart.count('class="line l') == 2 for chart in charts)
    # Thresholds of both models.
    assert charts[1].count("<circle") == 2
    unmarked = numbers()
    unmarked = replace(unmarked, metrics={"macro_f1": unmarked.decisive}, remark="No threshold.")
    page = render_page(comparison(numbers=unmarked))
    chart = re.search(r'<svg[^>]*aria-label="Accuracy against.*?</svg>', page)[0]
    assert "<circle" not in chart
    assert "No threshold." in words(page)
    assert "A dot marks" not in words(page)


def test_data_begins_with_changed_split(whole):
    text = words(whole)
    assert text.index(
        "split.salt changed from 1 to 2, which moves images to other splits"
    ) < text.index("12 images added: coat (source: shop)")
    assert "12 images relabelled: coat → shoe" in text
    assert "coat → shoe" in text
    assert "train → test" in text
    assert "class shares 0.130 0.001 drifted" in text
    assert "1 pair" in text
    assert "dropped: outlier" in text  # A word of another version.
    assert f"was dropped: {REASONS['too_small']}" in text


def test_names_are_escaped():
    run = MlflowRun(HOSTILE, HOSTILE, "javascript:alert(1)", None, None, {})
    files = {
        "plots/train/curves.csv": CURVES.format(1, 2).replace("val_loss", "<script>x").encode()
    }
    hostile = [revision(HOSTILE, files, title=HOSTILE, run=run, commit=HOSTILE) for _ in range(2)]
    changes = data(label=HOSTILE)
    changes = replace(
        changes, images=changes.images.assign(image_url=HOSTILE, source=HOSTILE), resplit=(HOSTILE,)
    )
    labels = [f"{place}{HOSTILE}" for place in range(3)]
    for classes in (labels, labels * 11):
        slices = tuple(
            made_slice(HOSTILE, f"{HOSTILE}{place}", 0.9, 0.8, 0.01 + place) for place in range(2)
        )
        made = numbers(classes, slices=slices)
        page = render_page(comparison(base=hostile[0], head=hostile[1], numbers=made, data=changes))
        assert not re.search(
            r"<script(?!>//)|<img src=x|javascript:(?!alert\(1\)&)|href=.javascript", page
        )


def test_page_size_is_limited():
    labels = [f"class {number}" for number in range(1000)]
    many = comparison(numbers=numbers(labels, n=20_000, lost=3_000, gained=2_000), data=data(3_000))
    page = render_page(many)
    assert len(page.encode()) < 2_000_000
    assert page.count("<figure") < 120
    assert "The other 980 classes" in page
    assert "The errors whose counts changed most, of 1,000 classes." in words(page)
    assert "and 2,982 more images" in page
