"""A ranking as text, page and JSON."""

import json
from dataclasses import replace
from pathlib import Path

from pixmill.experiments.compare.ranking_report import (
    ranking_json,
    ranking_text,
    render_ranking,
    summary,
)
from pixmill.pages.page import local_time
from tests.experiments.compare.ranked import ranking

APPROVED = Path(__file__).parent / "approved" / "ranking.txt"


def test_text_matches_approved() -> None:
    text = ranking_text(ranking())
    assert text.replace(local_time(1_790_000_000), "WHEN") == APPROVED.read_text(encoding="utf-8")


def test_summary_sentences() -> None:
    made = ranking()
    best = "wide has the best macro-F1 on validation, 0.912"
    wide, small, poor = made.rows
    for rows, rest in (
        ((wide, small, small), "2 others are not significantly worse"),
        ((wide, poor, poor), "2 others are significantly worse"),
        ((wide, poor), "the other is significantly worse"),
        ((wide, small, small, poor, poor), "2 of 4 others are significantly worse"),
        ((wide,), "there is no other to compare it with"),
    ):
        assert summary(replace(made, rows=rows)) == f"{best}; {rest}."
    assert summary(replace(made, rows=())) == "No model can be compared with another."
    assert summary(replace(made, rows=(wide, replace(wide), poor))) == (
        "wide and 1 other have the best macro-F1 on validation, 0.912: they are equal, so keep "
        "the one you have; the other is significantly worse."
    )


def test_page_links_and_escaping() -> None:
    made = ranking()
    page = render_ranking(made)
    assert "<b>poor" not in page
    assert "<i>parka" not in page
    assert 'href="http://127.0.0.1' not in page  # no server answers there
    assert "0123456789</code>" in page
    assert "<code>pixmill compare runs:/wide runs:/small-0</code>" in page
    assert (
        "<code>pixmill compare runs:/wide &#39;&lt;b&gt;poor&#39;</code>" in page
    )  # quoted for a shell
    assert (
        "<code>set train.epochs=30, train.model=cnn at commit 0123456789, then: dvc repro</code>"
        in page
    )
    assert "seed 2, 0.880" in page
    assert page.count('class="badge bad">worse') == 1
    assert "<code>mlflow ui</code>" in page
    experiment = replace(made.rows[2], model=replace(made.rows[2].model, experiment="a b"))
    assert "<code>dvc exp apply &#39;a b&#39;</code>" in render_ranking(
        replace(made, rows=(*made.rows[:2], experiment))
    )


def test_json_document() -> None:
    document = json.loads(ranking_json(ranking()))
    assert [row["name"] for row in document["rows"]] == ["wide", "small-0", "<b>poor"]
    row = document["rows"][1]
    assert (row["difference"], row["difference_low"], row["p"], row["worse"]) == (
        -0.022,
        -0.06,
        0.31,
        False,
    )
    assert [training["seed"] for training in row["trainings"]] == [0, 1, 2]
    assert row["params"] == {"train.epochs": 9, "train.model": "cnn"}
    assert document["others"][0]["why"].startswith("its classes differ")
    assert document["planned"]["command"] == "pixmill compare main runs:/wide"
