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
from pixmill.metrics.many_models import Gap
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
        "wide and 1 other have the best macro-F1 on validation, 0.912: they are equal, so keep the "
        "one you have; the "
        "other is significantly worse."
    )


def test_long_names_are_shortened() -> None:
    made = ranking()
    long = replace(
        made.rows[1].model, name=f"features {'of a backbone ' * 9}(0123abcd)", seconds=99_985.0
    )
    few = Gap(-0.01, None, None, 1.0, worse=False)
    rows = (made.rows[0], replace(made.rows[1], model=long), replace(made.rows[2], gap=few))
    text = ranking_text(replace(made, rows=rows, metric="balanced_accuracy"))
    assert max(map(len, text.splitlines())) <= 120
    small = next(line for line in text.splitlines() if line.startswith("  features"))
    assert "(0123abcd)  0.890 (0.860 to 0.920) " in small
    assert small.split()[-2:] == ["99,985", "14.2"]
    assert "  not testable  " in text
    assert "Not testable: too few images are answered differently." in text


def test_model_in_use_is_marked() -> None:
    made = ranking()
    wide, small, poor = made.rows
    used = replace(small.trainings[2][0], in_use=True)
    for rows, mark in (
        ((replace(wide, model=replace(wide.model, in_use=True)), small), "in use"),
        (
            (replace(small, trainings=(*small.trainings[:2], (used, 0.88))), poor),
            "small-2 is in use",
        ),
    ):
        given = replace(made, rows=rows, planned=None)
        text = ranking_text(given)
        page = render_ranking(given)
        assert "\nThe best is the model in use: keep it.\n" in text
        assert f"\n    {mark}, run, " in text
        assert "The best is the model in use: keep it." in page
        assert page.count(f'class="badge good">{mark}<') == 1
        assert [row["in_use"] for row in json.loads(ranking_json(given))["rows"]] == [True, False]


def test_notes_about_unread_models() -> None:
    sentence = "Only DVC's experiments were compared: it rains; take an umbrella."
    made = ranking(without_runs=sentence, notes=("Another.",), left_out=True)
    assert ranking_text(made).startswith(f"{sentence}\n\nwide has")
    page = render_ranking(made).replace("&#39;", "'")
    assert f"<strong>{sentence}</strong>" in page
    assert json.loads(ranking_json(made))["notes"] == [sentence, "Another."]
    for text in (ranking_text(made), page):
        assert "to read more: --limit 1000." in " ".join(text.split())
        assert "Another." in text


def test_page_links_and_escaping() -> None:
    made = ranking()
    page = render_ranking(made)
    assert "<b>poor" not in page
    assert "<i>parka" not in page
    assert 'href="http://127.0.0.1:5000/#/experiments/1/runs/wide"' in page
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


def test_page_without_rows() -> None:
    empty = render_ranking(replace(ranking(), rows=(), planned=None))
    assert "No model can be compared" in empty
    assert "<table" not in empty
    assert "its classes differ" in empty


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
