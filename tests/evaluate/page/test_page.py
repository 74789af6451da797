import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.evaluation import Evaluation
from pixmill.evaluate.mistakes import Confusion
from pixmill.evaluate.page.report import render_report
from pixmill.images.png import png_bytes
from pixmill.metrics.growth import Growth
from tests.evaluate.page.test_sentences import CROSSED

LABELS = ("coat", "Dungarees & <b>overalls</b>")
SCORES = {"precision": 0.75, "recall": None, "f1": 0.5, "support": 120}
METRICS = {
    "accuracy": 0.925,
    "unlike": 0.01,
    "accuracy_low": 0.88,
    "accuracy_high": 0.96,
    "balanced_accuracy": 0.9,
    "macro_f1": 0.9,
    "weighted_f1": 0.9,
    "log_loss": 0.3,
    "roc_auc": None,
    "pr_auc": None,
    "ece": 0.02,
    "n": 240,
    "per_class": dict.fromkeys(LABELS, SCORES),
    "baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.62, "histogram_macro_f1": 0.6},
    "val": {"accuracy": 0.9, "n": 160},
    "train": {"accuracy": 0.95},
    "cross_validation": None,
    "temperature": 1.2,
    "confidence": 0.93,
    "uncalibrated": {"log_loss": 0.45, "ece": 0.16, "confidence": 0.8},
    "threshold": 0.7,
    "coverage": 0.8,
    "covered_accuracy": 0.97,
    "covered_accuracy_low": 0.94,
    "covered_accuracy_high": 0.99,
}


def pixels(number):
    return np.full((56, 56, 3), number, np.uint8)


def predicted(number, answer, confidence, second):
    return {
        "id": f"{number:064x}",
        "label": "coat",
        "predicted": answer,
        "right": answer == "coat",
        "confidence": confidence,
        "truth": 0.1,
        "second": second,
        "second_confidence": 0.1,
        "pixels": pixels(number),
    }


MISTAKES = [predicted(number, LABELS[1], 0.9, "coat") for number in range(18)]
SAMPLE = [predicted(number, LABELS[number % 2], 0.8, "x") for number in range(30, 36)]
ISSUE = {"label": "coat", "suggested": "dress", "score": 0.04, "split": "val"}
ISSUES = [ISSUE | {"id": f"{number:064x}", "pixels": pixels(number)} for number in range(40, 43)]
PLOTS = {
    "calibrated": pd.DataFrame({"confidence": [0.6, 0.9], "accuracy": [0.5, 0.95], "n": [10, 230]}),
    "coverage": pd.DataFrame({"coverage": [0.5, 1.0], "accuracy": [1.0, 0.925]}),
    "slices": pd.DataFrame(
        {
            "dimension": "brightness",
            "slice": ["dark", "bright"],
            "what": ["dark images", "bright images"],
            "n": [100, 140],
            "right": [80, 139],
            "accuracy": [0.8, 0.99],
            "accuracy_low": [0.7, 0.95],
            "accuracy_high": [0.9, 1.0],
            "rest": [0.99, 0.8],
            "p_adjusted": [0.001, 1],
            "worse": [True, False],
        }
    ),
}
GROWTH = Growth(-0.006, -0.033, 0.018)
EVALUATION = Evaluation(
    labels=LABELS,
    predictions=pd.DataFrame(),
    ranking=pd.DataFrame(
        {"suggested": ["dress"] * 7 + [None] * 93, "score": [0.1] * 7 + [0.9] * 93}
    ),
    unlabelled=None,
    unlabelled_folder=None,
    metrics=METRICS,
    plots=PLOTS,
    matrix=np.array([[110, 10], [8, 112]]),
    interval_confidence=0.95,
    target_accuracy=0.95,
    mistakes=MISTAKES,
    cells=[
        (Confusion("coat", LABELS[1], 10, 120), MISTAKES[:2]),
        (Confusion("coat", "coat", 110, 120), SAMPLE[:1]),
    ],
    typical=SAMPLE[:1],
    heatmaps={MISTAKES[0]["id"]: pixels(200), SAMPLE[0]["id"]: pixels(201)},
    unsure=SAMPLE[2:4],
    unlike=SAMPLE[5:6],
    sample=SAMPLE,
    issues=ISSUES,
    training=None,
    nearest={},
)


def page(**changes):
    return render_report(replace(EVALUATION, **changes), Path(), GROWTH)


def section(text, name):
    return text.partition(f'<h2 id="{name}">')[2].partition("<h2")[0]


def test_accuracy_on_torn_series_is_not_of_unseen_images():
    text = page(metrics=EVALUATION.metrics | CROSSED | {"series_accuracy": 0.792})
    assert "<h1>Accuracy 92.5 % on images of series that it has seen</h1>" in text
    assert "The accuracy is too high" in text
    higher = page(metrics=EVALUATION.metrics | CROSSED | {"series_accuracy": 0.912})
    assert "The accuracy is too high" not in higher


def test_shows_accuracy_with_interval_and_baselines():
    text = page()
    assert "<h1>Accuracy 92.5 % on unseen images</h1>" in text
    assert "88.0 % to 96.0 %" in text
    bars = re.findall(r'class="name">([^<]*)</span>.*?width: ([\d.]+)%', text)
    assert bars == [
        ("this model", "92.5"),
        ("colour-histogram baseline", "62.0"),
        ("most common class", "50.0"),
    ]


def test_lists_classes_with_most_common_confusion():
    text = page()
    assert "<b>overalls" not in text
    assert re.search(
        r"<td>coat</td><td class=\"number\">0\.750</td><td class=\"number\">\u2013</td>", text
    )
    assert (
        "coat predicted as Dungarees &amp; &lt;b&gt;overalls&lt;/b&gt;: 10 of 120 (8.3 %)" in text
    )


def test_confusion_matrix_is_a_table_up_to_30_classes():
    cells = re.findall(
        r"var\(--(good|bad)\) (\d+)%, transparent\)\">(?:<a href=\"#[\w-]+\">)?(\d+)<", page()
    )
    assert [(kind, count) for kind, _, count in cells] == [
        ("good", "110"),
        ("bad", "10"),
        ("bad", "8"),
        ("good", "112"),
    ]
    assert all(int(depth) <= 45 for _, depth, _ in cells)
    many = tuple(f"c{number}" for number in range(31))
    text = page(
        labels=many,
        cells=[],
        matrix=np.eye(31, dtype=np.int64),
        metrics=METRICS | {"per_class": dict.fromkeys(many, SCORES)},
    )
    assert '<table class="matrix">' not in text
    assert "plots/evaluate/confusion.csv" in text


def test_matrix_cells_link_to_their_images():
    text = page()
    assert re.findall(r'<a href="#(cell-\d-\d)">(\d+)</a>', text) == [
        ("cell-0-0", "110"),
        ("cell-0-1", "10"),
    ]
    errors = text.partition('<div id="cell-0-1">')[2].partition("</details>")[0]
    assert errors.count('<figure class="card"') == 2
    assert "coat, correct: 110 images" in text


def test_shows_label_issues_with_their_number():
    text = section(page(), "labels")
    assert "shown are the 3 of 7 with the lowest label scores" in text
    assert text.count("Label coat, perhaps dress</strong>") == 3
    assert "finds no label improbable" in section(
        page(issues=[], ranking=pd.DataFrame({"suggested": [None], "score": [0.9]})), "labels"
    )


def test_marks_significantly_worse_slices():
    text = section(page(), "slices")
    assert re.findall(r"<td>(\w+) images <span class=\"badge bad\">worse", text) == ["dark"]
    alike = PLOTS["slices"].assign(worse=False)
    assert "No slice" in section(page(plots=PLOTS | {"slices": alike}), "slices")


@pytest.fixture
def unlabelled(tmp_path):
    """Write twenty images, the first two identical; return a function that renders them."""
    folder = tmp_path / "data" / "new"
    folder.mkdir(parents=True)

    def section_of(**changes):
        rows = []
        for number in range(20):
            name = f"{number:02}" + "-0123456789" * 3 + ".png"
            content = png_bytes(pixels(10 * max(number, 1)))
            (folder / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            rows.append(
                (name, digest, LABELS[number % 4 == 3], 0.5 + number / 50, number > 15, False, None)
            )
        rows.append(
            ("<i>.jpg", "0" * 64, "coat", 0.95, True, True, None)
        )  # deleted after the prediction
        rows.append(("notes.txt", None, None, None, None, None, "unknown"))
        columns = ["path", "id", "predicted", "confidence", "sure", "unlike", "reason"]
        table = pd.DataFrame(rows, columns=columns).astype({"sure": "boolean", "unlike": "boolean"})
        given = {"unlabelled": table, "unlabelled_folder": "data/new"} | changes
        return section(render_report(replace(EVALUATION, **given), tmp_path, None), "unlabelled")

    return section_of


def cards_of(text):
    """Return the texts of each card, and whether it has an image."""
    cards = re.findall(r'<figure class="card"[^>]*>(.*?)</figure>', text, re.DOTALL)
    return [
        (*re.findall(r">([^<>]+)</(?:strong|span)>", card), 'src="data:image/jpeg' in card)
        for card in cards
    ]


def test_shows_unlabelled_images_at_random_by_confidence_and_by_class(unlabelled):
    text = unlabelled()
    assert "5 of the 21 readable images reach the confidence threshold of " in text
    assert "<td>notes.txt</td><td>unknown</td>" in text
    random, unsure, of_class = (cards_of(part) for part in text.split("<h3>")[1:4])
    assert (len(random), len(unsure)) == (10, 12)
    assert len({card[2] for card in random}) == 10
    # Only one of two identical images is shown.
    assert unsure[:2] == [
        ("coat", "50.0 % confidence: not sure", "00-01234567…23456789.png", True),
        ("coat", "54.0 % confidence: not sure", "02-01234567…23456789.png", True),
    ]
    other = LABELS[1].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert [(card[0], card[1][:2], card[3]) for card in of_class] == [
        ("coat", "95", False),
        *(("coat", share, True) for share in ("86", "84", "82")),
        *((other, share, True) for share in ("88", "80", "72", "64")),
    ]


def test_names_missing_or_empty_folder_of_unlabelled_images(unlabelled):
    text = unlabelled(unlabelled=None)
    assert "no unlabelled image of data/new was scraped" in text
    assert "card" not in text


def test_works_offline_and_links_have_targets():
    text = page(unlabelled_folder="data/unlabelled")
    assert not re.search(r"""(?:src|href)=["'](?!data:|#|\.\./"|[a-z]+\.html")""", text)
    assert text.count("<script") == 1
    links = re.findall(r'href="#([\w-]+)"', text)
    assert len(links) == 3
    assert all(f'id="{name}"' in text for name in links)


def test_shows_no_python_values():
    assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<[^>]*>|data:[^\"]*", " ", page()))


def test_errors_show_their_nearest_training_images():
    similar = [
        {
            "id": "b" * 64,
            "label": "<i>dress</i>",
            "similarity": 0.5 + number / 10,
            "pixels": pixels(number),
        }
        for number in range(3)
    ]
    text = section(page(nearest={MISTAKES[0]["id"]: similar}), "mistakes")
    assert re.findall(r"&lt;i&gt;dress&lt;/i&gt;<br>(0\.\d\d)<", text) == ["0.50", "0.60", "0.70"]
