import re

import numpy as np
import pytest

from pixmill.evaluate.mistakes import Mistake
from pixmill.evaluate.page import render_report

LABELS = ("coat", "Dungarees & <b>overalls</b>")
SCORES = {"precision": 0.75, "recall": None, "f1": 0.5, "support": 120}
METRICS = {
    "accuracy": 0.925,
    "accuracy_low": 0.88,
    "accuracy_high": 0.96,
    "balanced_accuracy": 0.9,
    "macro_f1": 0.9,
    "weighted_f1": 0.9,
    "log_loss": 0.3,
    "roc_auc": None,
    "ece": 0.02,
    "n": 240,
    "per_class": dict.fromkeys(LABELS, SCORES),
    "baseline": {"majority_accuracy": 0.5},
    "val": {"accuracy": 0.9},
    "train": {"accuracy": 0.95},
}
MATRIX = np.array([[110, 10], [8, 112]])
MISTAKES = [
    Mistake(f"{number:064x}", *LABELS, 0.9, 0.1, np.full((56, 56, 3), number, np.uint8)) for number in range(18)
]


def page(mistakes=MISTAKES, matrix=MATRIX):
    return render_report(METRICS, matrix, LABELS, mistakes, mean_confidence=0.93, interval_confidence=0.95)


def test_the_accuracy_stands_with_its_interval_beside_what_no_model_would_score():
    text = page()
    assert "<h1>Right on 92.5 % of unseen pictures</h1>" in text
    assert "88.0 % to 96.0 %" in text
    assert re.search(r'50\.0 %</div><div class="label">Commonest class', text)


def test_each_class_has_its_row_and_its_commonest_confusion():
    text = page()
    assert re.search(r"<td>coat</td><td class=\"number\">0\.750</td><td class=\"number\">\u2013</td>", text)
    assert "coat was taken for Dungarees &amp; &lt;b&gt;overalls&lt;/b&gt; 10 times in 120 (8.3 %)" in text


def test_names_of_strangers_are_escaped():
    assert "<b>overalls" not in page()


def test_all_mistakes_are_shown_or_it_is_said_how_many_are_not():
    assert page().count('<figure class="card">') == 18
    assert "All 18." in page()
    assert "The first 4 of 18." in page(MISTAKES[:4])
    assert "It made none on the test part." in page([], np.diag([120, 120]))


def test_it_asks_nothing_of_any_server_and_stays_small():
    text = page(MISTAKES * 2)
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "<script" not in text
    assert len(text) < 2_000_000


@pytest.mark.parametrize("word", ["nan", "None", "inf"])
def test_no_figure_is_ever_shown_as_a_word_of_a_programmer(word):
    assert not re.search(rf"\b{word}\b", re.sub(r"<[^>]*>|data:[^\"]*", " ", page()))
