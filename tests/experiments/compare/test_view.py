"""A comparison as text, as Markdown for a pull request, and as JSON."""

import html
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.experiments.compare.comparison import Change, Changes, Comparison, Gate, Rule
from pixmill.experiments.compare.view import (
    MAX_BYTES,
    comparison_json,
    comparison_markdown,
    comparison_text,
)
from pixmill.metrics.significance import Difference
from pixmill.tracking.run_lookup import MlflowRun
from tests.experiments.compare.compared import (
    comparison,
    data,
    difference,
    made_slice,
    numbers,
    revision,
)

APPROVED = Path(__file__).parent / "approved"
HOSTILE = (
    "\x1b[2J<img src=x> --> @everyone|</details>\n# [x](http://a.test) *b* _c_ `d` ~~e~~ $f$ "
    "www.a.test #1 !2 :tada: "
)
SLICES = (
    made_slice("source", "shop", 0.7, 0.8, 0.01),
    made_slice("source", "bing", 0.9, 0.6, 0.03),
    made_slice("brightness", "up to 7", 0.5, 0.5, 1.0),
)


def hostile(classes: int = 3, n: int = 60, changes: int = 3) -> Comparison:
    """Return a comparison with hostile names."""
    labels = [f"{HOSTILE}{place}" for place in range(classes)]
    return comparison(
        base=revision(HOSTILE, title=HOSTILE * 3, run=None),
        head=revision(HOSTILE, title=HOSTILE * 3),
        numbers=numbers(
            labels=labels,
            n=n,
            lost=n // 3,
            gained=n // 3,
            slices=tuple(
                made_slice("source", f"{HOSTILE}{place}", 0.9, 0.8, 0.01)
                for place in range(changes)
            ),
        ),
        data=data(max(12, changes), label=HOSTILE),
        changes=Changes(
            tuple(
                Change(f"train.{HOSTILE}{place}", HOSTILE, [HOSTILE] * 30)
                for place in range(changes)
            ),
            {f"train {number}": [HOSTILE] * changes for number in range(5)},
            tuple(Change(f"{HOSTILE}{place}", "1", "2") for place in range(changes)),
            tuple(("1a2b3c4", HOSTILE) for _ in range(changes)),
        ),
        gate=Gate("fail", tuple(Rule(HOSTILE, "fail", HOSTILE, 100) for _ in range(changes))),
        sentence=HOSTILE * 20,
        missing=(HOSTILE,) * changes,
    )


@pytest.mark.parametrize(
    ("render", "suffix"), [(comparison_text, "txt"), (comparison_markdown, "md")]
)
def test_text_and_markdown_match_approved(render, suffix: str) -> None:
    made = comparison(numbers=numbers(slices=SLICES))
    assert render(made) == (APPROVED / f"comparison.{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize("render", [comparison_text, comparison_markdown])
def test_states_which_images_decided(render) -> None:
    crossed = {
        "n": 1210,
        "cross_validated": 910,
        "image": "held-out image",
        "on_test": difference(0.9, 0.917),
    }
    text = render(comparison(numbers=replace(numbers(), **crossed)))
    assert "1,210 images held out on both sides: 300 test, 910 by cross-validation" in text
    assert "on the test images alone, macro-F1 0.900 → 0.917 (+0.017," in " ".join(text.split())
    assert "by cross-validation" not in render(comparison(numbers=numbers()))


def test_recorded_metrics_without_predictions() -> None:
    record = {"accuracy": 0.9, "macro_f1": 0.89, "log_loss": None, "ece": 0.03, "n": 1262}
    sides = {"base": revision("main", metrics=record), "head": revision("cnn", metrics=record)}
    text = comparison_text(comparison("not_comparable", numbers=None, data=None, **sides))
    table = text.partition("own test split\n")[2].partition("\n\n")[0]
    assert [line.split() for line in table.splitlines()] == [
        ["metric", "base", "head"],
        ["accuracy", "0.900", "0.900"],
        ["macro-F1", "0.890", "0.890"],
        ["calibration", "error", "0.030", "0.030"],
        ["test", "images", "1,262", "1,262"],
    ]


def test_text_width_and_control_characters() -> None:
    text = comparison_text(hostile(40, 120, 30))
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert max(map(len, text.splitlines())) <= 100
    assert "and 34 more images" in text


@pytest.mark.parametrize(
    ("classes", "n", "changes"), [(3, 60, 3), (1000, 3000, 300), (2, 9_000, 2000)]
)
def test_markdown_size_and_tables(classes: int, n: int, changes: int) -> None:
    text = comparison_markdown(hostile(classes, n, changes))
    assert len(text.encode()) <= MAX_BYTES
    for is_table, lines in itertools.groupby(
        text.splitlines(), key=lambda line: line.startswith("|")
    ):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1 or not is_table
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.endswith("`reports/compare.html`.\n")


def test_markdown_escapes_names() -> None:
    text = comparison_markdown(hostile())
    assert set(re.findall(r"<[^>]*>", text)) == {
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
        "<https://mlflow.test/#/experiments/0/runs/f>",
    }
    assert not re.search(r"@\w|(?<!/)#\w|www\.|(?<!<https)://", text)
    assert not re.search(r"(?<!\\)[*_](?!\*)", text.replace("**", ""))
    assert len(re.findall(r"(?<!\\)`", text)) == 2
    assert re.findall(r"(?<!\\)\]\(", text) == ["]("]


def test_markdown_escapes_blocks() -> None:
    text = comparison_markdown(comparison(missing=("# a", "1. b", "- c", "+ d", "12) e")))
    lines = text.partition("#### Missing\n\n")[2].splitlines()[:5]
    assert lines == [r"- \# a", r"- 1\. b", r"- \- c", r"- \+ d", r"- 12\) e"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.test/" + "a" * 70_000])
def test_local_links_are_omitted(url: str) -> None:
    text = comparison_markdown(
        comparison(head=revision("cnn", run=MlflowRun("1", "owl", url, None, None, {})))
    )
    assert "- Head: owl\n" in text
    assert url not in text


NAMES = [
    "@a",
    "&#64;a",
    "&#x40;a",
    "&commat;a",
    "@&#97;",
    "@_a",
    "@.a",
    '~"a b"',
    "~?a",
    '%"a b"',
    ":tada:",
    "[issue:1]",
]


@pytest.mark.parametrize("name", [*NAMES, "!1"])
def test_markdown_escapes_any_name(name: str) -> None:
    text = comparison_markdown(comparison(sentence=name))
    shown = html.unescape(re.sub(r"\\([\W_])", r"\1", text.splitlines()[0].strip("*")))
    assert shown.replace("\u200b", "") == name  # it shows as it is
    assert not re.search(r"""[@~%!][\w."'?]|:\w+:|\[\w+:""", shown)
    assert not re.search(r"&(?!amp;)", text.splitlines()[0])


def test_json_document() -> None:
    document = json.loads(comparison_json(comparison()))
    assert (document["verdict"], document["gate"]) == ("worse", "fail")
    assert document["sentence"] == "Macro-F1 falls from 0.900 to 0.800."
    assert (document["base"]["name"], document["head"]["name"]) == ("main", "cnn")
    assert (document["flips"]["gained"], document["flips"]["lost"]) == (3, 6)
    assert document["flips"]["images"][0]["label"] == "coat"
    assert document["data"]["relabelled"] == 12
    assert {row["change"] for row in document["data"]["images"]} >= {"added", "relabelled"}
    assert document["rules"][1]["needed"] == 1900
    assert document["changes"]["params"]["train.epochs"] == {"base": 2, "head": 12}
    bare = json.loads(
        comparison_json(
            comparison("not_comparable", base=None, numbers=None, data=None, changes=None)
        )
    )
    assert bare.keys() == document.keys()
    assert bare["base"] is bare["flips"] is bare["data"] is bare["changes"] is None
    assert bare["metrics"] == {}


def test_json_nulls_and_digits() -> None:
    flips = numbers().flips.assign(base_loss=np.inf, head_loss=np.nan)
    metrics = {"macro_f1": Difference(1 / 3, 2 / 3, 1 / 3, float("nan"), 0.5, 1)}
    made = comparison(
        numbers=numbers(flips=flips, metrics=metrics),
        data=replace(data(), images=data().images.assign(source=pd.NA)),
        head=revision("cnn", run=None),
    )
    document = json.loads(comparison_json(made), parse_constant=pytest.fail)
    found = document["metrics"]["macro_f1"]
    assert found == {"base": 0.333333, "head": 0.666667, "diff": 0.333333, "low": None, "high": 0.5}
    image = document["flips"]["images"][0]
    assert image["base_loss"] is image["head_loss"] is None
    assert document["data"]["images"][0]["source"] is None
    assert document["head"]["run"] is document["base"]["recorded"] is None
