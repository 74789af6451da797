"""A ranking as text, page and JSON says the same, and lets nobody choose by the test split."""

import json
from dataclasses import replace

from pixmill.compare.description import NONE
from pixmill.compare.ranking_report import ranking_json, ranking_text, render_ranking, summary
from pixmill.metrics.many_models import Gap
from tests.compare.ranked import ranking


def test_the_summary_says_what_is_best_and_what_is_worse() -> None:
    made = ranking()
    best = "wide has the best macro-F1 on validation, 0.912"
    wide, small, poor = made.rows
    for rows, rest in (
        ((wide, small, poor), "1 of 2 others is worse; 1 cannot be told apart from it"),
        ((wide, small, small), "2 others cannot be told apart from it"),
        ((wide, poor, poor), "2 others are worse"),
        ((wide, poor), "the other is worse"),
        ((wide, small), "the other cannot be told apart from it"),
        ((wide, small, small, poor, poor), "2 of 4 others are worse; 2 cannot be told apart from it"),
    ):
        assert summary(replace(made, rows=rows)) == f"{best}; {rest}."
    alone = replace(made, rows=made.rows[:1])
    assert summary(alone) == "wide has the best macro-F1 on validation, 0.912; there is no other to compare it with."
    assert summary(replace(made, rows=())) == "No model can be compared with another."


def test_equal_models_are_not_ranked() -> None:
    made = ranking()
    equal = replace(made, rows=(made.rows[0], replace(made.rows[0]), made.rows[2]))
    assert summary(equal) == (
        "wide and 1 other have the best macro-F1 on validation, 0.912: they are equal, so keep the one you have; the "
        "other is worse."
    )


def test_the_text_fits_a_terminal() -> None:
    text = ranking_text(ranking())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert "On the test split, wide against main (1a2b3c4 First results): Same: all the same." in lines
    assert "More: pixmill compare main runs:/wide" in lines
    assert any(line.split() == ["wide", "0.912", "(0.880", "to", "0.940)", "best", "60", "14.2"] for line in lines)
    small = next(place for place, line in enumerate(lines) if line.strip().startswith("small-0"))
    assert "0.022 (\N{MINUS SIGN}0.060 to +0.016)  0.310" in lines[small]
    assert lines[small + 1].endswith("3 seeds, 0.880 to 0.900; train.epochs=9")
    assert lines[small + 3].endswith("the seed has no effect; train.model=features")
    assert lines[small + 4].startswith("  The limits of differences and p hold for all pairs at once")
    assert lines[small + 2].split()[-3:] == ["worse", NONE, NONE]
    assert "is not in the table: its classes differ: only it has <i>parka." in text
    assert "test" not in lines[lines.index("More: pixmill compare main runs:/wide") + 2]


def test_names_are_cut_before_figures() -> None:
    made = ranking()
    long = replace(made.rows[1].model, name=f"features {'of a backbone ' * 9}(0123abcd)", seconds=99_985.0)
    few = Gap(-0.01, None, None, 1.0, worse=False)
    rows = (made.rows[0], replace(made.rows[1], model=long), replace(made.rows[2], gap=few))
    lines = ranking_text(replace(made, rows=rows, metric="balanced_accuracy"), test=True).splitlines()
    assert max(map(len, lines)) <= 120
    small = next(line for line in lines if line.startswith("  features"))
    assert "(0123abcd)  0.890 (0.860 to 0.920) " in small
    assert "0.022 (\N{MINUS SIGN}0.060 to +0.016)  0.310" in small
    assert small.split()[-3:] == ["99,985", "14.2", "0.990"]


def test_the_model_in_use_is_marked_and_kept_if_it_is_the_best() -> None:
    made = ranking()
    wide, small, poor = made.rows
    used = replace(small.trainings[2][0], in_use=True)
    for rows, mark in (
        ((replace(wide, model=replace(wide.model, in_use=True)), small), "in use"),
        ((replace(small, trainings=(*small.trainings[:2], (used, 0.88))), poor), "small-2 is in use"),
    ):
        given = replace(made, rows=rows, planned=None)
        text, page = ranking_text(given), render_ranking(given)
        assert "\nThe best is the model in use: keep it.\n" in text
        assert f"\n    {mark}, run, " in text
        assert "The best is the model in use: keep it." in page
        assert page.count(f'class="badge good">{mark}<') == 1
        assert [row["in_use"] for row in json.loads(ranking_json(given))["rows"]] == [True, False]
    assert "keep it" not in ranking_text(made)


def test_that_mlflow_was_not_read_comes_first() -> None:
    sentence = "Only DVC's experiments were compared: it rains; take an umbrella."
    made = ranking(without_runs=sentence, notes=("Another.",))
    assert ranking_text(made).startswith(f"{sentence}\n\nwide has")
    page = render_ranking(made).replace("&#39;", "'")
    assert page.index(sentence) < page.index("wide has the best")
    assert json.loads(ranking_json(made))["notes"] == [sentence, "Another."]


def test_the_page_tells_how_to_keep_a_model() -> None:
    made = ranking()
    page = render_ranking(
        replace(made, rows=(*made.rows[:2], replace(made.rows[2], model=replace(made.rows[2].model, experiment="a b"))))
    )
    assert "<code>set train.epochs=30, train.model=cnn at commit 0123456789, then: dvc repro</code>" in page
    assert "<code>dvc exp apply &#39;a b&#39;</code>" in page


def test_test_values_come_with_why_they_choose_nothing() -> None:
    text = ranking_text(ranking(), test=True)
    assert "  seconds    MB   test\n" in text
    assert "0.990" in text
    assert "Test values choose nothing" in text
    page = render_ranking(ranking(), test=True)
    assert "Test macro-F1" in page
    assert "Test values choose nothing" in page
    assert "Test macro-F1" not in render_ranking(ranking())


def test_what_too_few_images_tell_is_said() -> None:
    made = ranking()
    few = replace(made.rows[1], gap=Gap(-0.01, None, None, 1.0, worse=False))
    given = replace(made, rows=(made.rows[0], few))
    assert "  not testable  " in ranking_text(given)
    assert "Not testable: too few images are answered differently." in ranking_text(given)
    assert "not testable" in render_ranking(given)
    assert [row["p"] for row in json.loads(ranking_json(given))["rows"]] == [None, None]


def test_what_is_left_out_is_said() -> None:
    made = ranking(left_out=True, notes=("No runs: it rains.",))
    for text in (ranking_text(made), render_ranking(made)):
        assert "seeds of these models may be among them: --limit 1000 reads more." in " ".join(text.split())
        assert "No runs: it rains." in text


def test_the_page_links_runs_commits_and_comparisons_and_escapes_names() -> None:
    page = render_ranking(ranking())
    assert "<b>poor" not in page
    assert "<i>parka" not in page
    assert 'href="http://127.0.0.1:5000/#/experiments/1/runs/wide"' in page
    assert "0123456789</code>" in page
    hosted = render_ranking(ranking(commits="https://example.org/garments/commit/"))
    assert 'href="https://example.org/garments/commit/0123456789abcdef' in hosted
    assert "<code>pixmill compare runs:/wide runs:/small-0</code>" in page
    assert "<code>pixmill compare runs:/wide &#39;&lt;b&gt;poor&#39;</code>" in page  # what a shell would run is quoted
    assert "seed 2, 0.880" in page
    assert page.count('class="badge bad">worse') == 1
    assert "<code>mlflow ui</code>" in page


def test_a_ranking_without_rows_is_a_page() -> None:
    empty = render_ranking(replace(ranking(), rows=(), planned=None))
    assert "No model can be compared" in empty
    assert "<table" not in empty
    assert "its classes differ" in empty


def test_json_has_all_of_it() -> None:
    document = json.loads(ranking_json(ranking()))
    assert [row["name"] for row in document["rows"]] == ["wide", "small-0", "<b>poor"]
    row = document["rows"][1]
    assert (row["difference"], row["difference_low"], row["p"], row["worse"]) == (-0.022, -0.06, 0.31, False)
    assert [training["seed"] for training in row["trainings"]] == [0, 1, 2]
    assert row["params"] == {"train.epochs": 9, "train.model": "cnn"}
    assert "test" not in row
    assert json.loads(ranking_json(ranking(), test=True))["rows"][1]["test"] == 0.99
    assert document["others"][0]["why"].startswith("its classes differ")
    assert document["planned"]["command"] == "pixmill compare main runs:/wide"
