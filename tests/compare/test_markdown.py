"""The text for a pull request: short enough, and harmless whatever the data are called."""

import html
import re

import pytest

from pixmill.compare.comparison import Change, Changes, Comparison, Gate, Rule, StageChange
from pixmill.compare.markdown import LIMIT, comparison_markdown
from pixmill.record.run_lookup import MlflowRun
from tests.compare.compared import comparison, data, made_slice, numbers, revision

HOSTILE = (
    "|a|`b`\n\n# c <img src=x onerror=alert(1)> @octocat fixes #12 [d](http://e.test) www.e.test --> </details> *f*"
)


def hostile(classes: int = 3, n: int = 60, changes: int = 3) -> Comparison:
    """Return a comparison in which every name is made to break out of its place."""
    labels = [f"{HOSTILE}{place}" for place in range(classes)]
    return comparison(
        base=revision(HOSTILE, title=HOSTILE * 3, run=None),
        head=revision(HOSTILE, title=HOSTILE * 3),
        numbers=numbers(
            labels=labels,
            n=n,
            lost=n // 3,
            gained=n // 3,
            slices=tuple(made_slice("source", f"{HOSTILE}{place}", 0.9, 0.8, 0.01) for place in range(changes)),
        ),
        data=data(max(12, changes), label=HOSTILE),
        changes=Changes(
            tuple(Change(f"train.{HOSTILE}{place}", HOSTILE, [HOSTILE] * 30) for place in range(changes)),
            tuple(StageChange("train", (HOSTILE,) * changes) for _ in range(5)),
            tuple(Change(f"{HOSTILE}{place}", "1", "2") for place in range(changes)),
            tuple(("1a2b3c4", HOSTILE) for _ in range(changes)),
        ),
        gate=Gate("fail", tuple(Rule(HOSTILE, "fail", HOSTILE, 100) for _ in range(changes))),
        sentence=HOSTILE * 20,
        missing=(HOSTILE,) * changes,
    )


def test_tables_are_tables_and_detail_is_folded() -> None:
    text = comparison_markdown(comparison(base=revision("main", run=None)))
    assert text.startswith("**Macro-F1 falls from 0.900 to 0.800.**\n\nBase: main (1a2b3c4 Train longer).")
    assert "\n\n| metric | base | head | difference | 95 % CI |  |\n| --- | ---: | ---: | ---: | ---: | --- |\n" in text
    assert text.count("<details><summary>") == text.count("</details>") == 2
    assert "- [Head: able-owl](<https://mlflow.test/#/experiments/0/runs/f>)\n" in text
    assert text.endswith("\n\nImages and curves: `reports/compare.html`; contact sheet: `reports/compare.png`.\n")
    assert "compare.png" not in comparison_markdown(comparison())


@pytest.mark.parametrize(("classes", "n", "changes"), [(3, 60, 3), (1000, 3000, 300), (2, 9_000, 2000)])
def test_it_never_exceeds_the_limit_nor_breaks_a_table(classes: int, n: int, changes: int) -> None:
    text = comparison_markdown(hostile(classes, n, changes))
    assert len(text.encode()) <= LIMIT
    widths = None
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        widths = None if not cells else widths or cells
        assert cells in (0, widths), line
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.endswith("`reports/compare.png`.\n")
    if changes > 100:
        assert re.search(r"^and [\d,]+ more params$", text, re.MULTILINE)


def test_even_the_longest_letters_leave_it_within_the_limit() -> None:
    made = hostile()
    text = comparison_markdown(
        comparison(
            numbers=made.numbers,
            sentence="@&" * 5000,
            changes=Changes(tuple(Change("&" * 5000, "&" * 5000, "\U0001f9e5" * 5000) for _ in range(300)), (), (), ()),
            missing=("&a" * 5000,) * 500,
        ),
        sheet=True,
    )
    assert len(text.encode()) <= LIMIT


def test_names_add_no_markup_no_mention_and_no_link() -> None:
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
    assert len(re.findall(r"(?<!\\)`", text)) == 4
    assert re.findall(r"(?<!\\)\]\(", text) == ["]("]


def test_a_line_begins_no_list_or_heading_of_its_own() -> None:
    text = comparison_markdown(comparison(missing=("# a", "1. b", "- c", "+ d", "12) e")))
    lines = text.partition("#### Missing\n\n")[2].splitlines()[:5]
    assert lines == [r"- \# a", r"- 1\. b", r"- \- c", r"- \+ d", r"- 12\) e"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://127.0.0.1:5000/#/experiments/1/runs/1", "https://a.test/" + "a" * 70_000]
)
def test_an_address_that_leads_nowhere_is_left_out(url: str) -> None:
    text = comparison_markdown(comparison(head=revision("cnn", run=MlflowRun("1", "owl", url, None, None, {}))))
    assert "- Head: owl\n" in text
    assert url not in text


@pytest.mark.parametrize(
    "name",
    [
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
        "!1",
    ],
)
def test_no_spelling_of_a_name_is_a_mention_or_a_reference(name: str) -> None:
    text = comparison_markdown(comparison(sentence=name))
    shown = html.unescape(re.sub(r"\\([\W_])", r"\1", text.splitlines()[0].strip("*")))
    assert shown.replace("\u200b", "") == name  # it shows as it is
    assert not re.search(r"""[@~%!][\w."'?]|:\w+:|\[\w+:""", shown)
    assert not re.search(r"&(?!amp;)", text.splitlines()[0])
