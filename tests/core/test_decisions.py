"""Rows of ``decisions.csv``: their form, what they say of an image, and merging them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.decided_cells import DECIDED, DecidedCells
from pixmill.core.decisions import (
    ANSWERS,
    Decided,
    Names,
    Row,
    disputes,
    group_rows,
    label_as,
    match_images,
    parse_rows,
    render_rows,
    require_labels,
    set_cell,
    set_fate,
)
from pixmill.core.errors import DecisionsError
from pixmill.core.repository.merging import merge_rows

HEADER = "image,label,answer,split,by,why\n"

IDS = tuple(digit * 64 for digit in "abc")

A, B, C = IDS


@st.composite
def rows(draw: st.DrawFn) -> Row:
    answer = draw(st.sampled_from(ANSWERS))
    has_label = answer in ("yes", "no")
    return Row(
        image=draw(st.sampled_from(IDS)),
        label=draw(st.sampled_from(["coat", "dress"])) if has_label else "",
        answer=answer,
        split=draw(st.sampled_from(["", "test", "train"])) if answer == "yes" else "",
        by=draw(st.sampled_from(["ann", "bob", 'c"d, e'])),
    )


def tables() -> st.SearchStrategy[list[Row]]:
    """Tables as one writer leaves them: one row for each key."""
    return st.lists(rows(), unique_by=lambda row: row.key, max_size=6)


@given(tables())
def test_text_is_in_order_and_read_back(table: list[Row]) -> None:
    text = render_rows(table)
    assert set(parse_rows(text)) == set(table)
    assert render_rows(reversed(parse_rows(text))) == text


def test_missing_rows_are_none() -> None:
    assert parse_rows("") == parse_rows(HEADER) == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("coat.jpg,coat,yes,,,", "id"),
        (f"{A},coat,maybe,,,", "yes, no, keep, drop"),
        (f"{A},,yes,,,", "a label"),
        (f"{A},coat,keep,,,", "no label"),
        (f"{A},coat,yes,hold,,", "train, val, test"),
        (f"{A},,drop,test,,", "no split"),
        (f"{A},coat,yes,,", "6 values"),
        ("<<<<<<< ours", "conflict"),
    ],
)
def test_malformed_line_is_named(line: str, expected: str) -> None:
    with pytest.raises(DecisionsError, match=rf"line 2: .*{expected}"):
        parse_rows(f"{HEADER}{line}\n")


def test_file_of_a_spreadsheet_is_read_and_another_encoding_refused() -> None:
    saved = f"\ufeff{HEADER}{A},coat,yes,,Jo\xe3o,\n".replace("\n", "\r\n")
    assert parse_rows(saved) == (Row(A, "coat", by="Jo\xe3o"),)
    with pytest.raises(DecisionsError, match="UTF-8") as refusal:
        parse_rows(saved.encode("latin-1", "ignore").decode("utf-8", "surrogateescape"))
    assert refusal.value.next == "save decisions.csv as CSV in UTF-8"


def test_id_in_capitals_is_the_same_key() -> None:
    (row,) = parse_rows(f"{HEADER}{'AB' * 32},coat,yes,,,\n")
    assert row.key == ("ab" * 32, "coat")


def test_other_header_is_refused() -> None:
    with pytest.raises(DecisionsError, match="line 1"):
        parse_rows("image,decision,label,by,why\n")


def test_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(DecisionsError, match=r"line 7: .*coat.*'hat'"):
        require_labels([Row(A, "hat", line=7)], ["coat"])
    rows = [Row(A, "hat", line=7), Row(B, "coat", line=8), Row(C, "cap", line=9)]
    with pytest.raises(DecisionsError, match=r"line 7: .*'hat' .*1 further row\b"):
        require_labels(rows, ["coat"])


def test_images_are_matched_by_all_spellings() -> None:
    names = [Names(A, ("data/coat/1.png",)), Names(B, ("http://shop.test/2",))]
    table = [
        Row(A[:8], "coat"),
        Row("data/coat/1.png", "", "keep"),
        Row("http://shop.test/2", "", "drop"),
    ]
    table.append(Row(C, "coat"))
    found = group_rows(table, match_images(table, names))
    assert found[A].label == "coat"
    assert found[A].fate == "keep"
    assert found[B].fate == "drop"
    assert found[C].rows == (Row(C, "coat"),)


@pytest.mark.parametrize(
    "second", [Row("data/1.png", "", "drop"), Row(A[:9], "", "drop"), Row(A, "", "drop")]
)
def test_keep_and_drop_of_one_image_are_a_dispute(second: Row) -> None:
    table = [Row(A, "", "keep", by="ann"), Row(A, "coat"), replace(second, by="bob")]
    for kind in DECIDED.values():
        decided = group_rows(table, match_images(table, [Names(A, ("data/1.png",))]), kind)
        assert disputes(decided) == {A: "keep (ann) and drop (bob)"}
        assert (decided[A].fate, decided[A].label, decided[A].is_suspended) == ("", "coat", True)
    table[-1] = replace(second, why="forgotten: asked to")
    decided = group_rows(table, match_images(table, [Names(A, ("data/1.png",))]))
    assert (decided[A].fate, disputes(decided)) == ("drop", {})


@given(tables(), tables())
def test_what_two_sides_say_is_read_until_one_answer_settles_it(
    ours: list[Row], theirs: list[Row]
) -> None:
    merged = parse_rows(render_rows(merge_rows([], ours, theirs, {})))
    for name, of in group_rows(merged, {}).items():
        labelled = applied(label_as(name, "dress", of), [*of.rows])
        settled = applied(set_fate(name, "keep"), [*labelled.rows])
        assert (settled.label, settled.fate, settled.is_disputed) == ("dress", "keep", False)
    for name, of in group_rows(merged, {}, DecidedCells).items():
        now = of
        for label in of.disputed:
            change = set_cell(name, label, True) if label else set_fate(name, "drop")
            now = DecidedCells(applied(change, [*now.rows]).rows)
        assert now.disputed == ()


def test_abbreviation_of_two_images_is_refused() -> None:
    with pytest.raises(DecisionsError, match="matches 2"):
        match_images([Row("a" * 8, "", "drop")], [Names(A, ()), Names("a" * 63 + "b", ())])


@pytest.mark.parametrize(
    ("table", "came", "label", "fate"),
    [
        ([Row(A, "dress")], "coat", "dress", ""),
        ([Row(A, "", "keep")], "coat", "coat", "keep"),
        ([Row(A, "coat", "no")], "coat", None, ""),
        ([Row(A, "dress", "no")], "coat", "coat", ""),
        ([Row(A, "coat"), Row(A, "dress")], "coat", None, ""),
        ([Row(A, "coat"), Row(A, "", "drop")], None, "coat", "drop"),
    ],
)
def test_rows_win_over_what_came(
    table: list[Row], came: str | None, label: str | None, fate: str
) -> None:
    decided = Decided(tuple(table))
    assert decided.resolve_label(came) == label
    assert decided.fate == fate


def test_dispute_names_who_said_what() -> None:
    table = [
        Row(A, "coat", by="ann"),
        Row(A, "dress", by="bob"),
        Row(B, "coat"),
        Row(B, "", "drop"),
    ]
    assert disputes(group_rows(table, {})) == {A: "coat (ann) and dress (bob)"}


def test_answers_about_one_label_of_several_are_disputed() -> None:
    table = [
        Row(A, "coat", by="ann"),
        Row(A, "coat", "no", by="bob"),
        Row(A, "long"),
        Row(A, "dark", "no"),
    ]
    decided = group_rows(table, {}, DecidedCells)
    came = {"coat": True, "dark": True, "sleeves": False}
    assert decided[A].resolve_cells(came) == {"long": True, "dark": False, "sleeves": False}
    assert disputes(decided) == {A: "coat (ann) and not coat (bob)"}
    assert not decided[A].is_suspended
    assert disputes(group_rows(table[:2], {})) == disputes(decided)
    torn = [*table[:2], Row(A, "", "keep"), Row(A, "", "drop")]
    for rows in (table[:2], torn):
        assert group_rows(rows, {})[A].resolve_label("coat") is None


def test_an_image_of_a_sample_stays_in_test_whatever_else_was_merged() -> None:
    rows = (Row(A, "dark", split="train"), Row(A, "long", split="test"), Row(A, "worn", "no"))
    assert DecidedCells(rows).split == "test"


def test_answer_about_one_label_leaves_the_others() -> None:
    table = [Row(A, "coat"), Row(A, "long", "no")]
    assert applied(set_cell(A, "dark", False), table).refused == ("long", "dark")
    assert applied(set_cell(A, "coat", None), table).rows == (table[1],)


def applied(changes: dict, table: list[Row]) -> Decided:
    kept = [row for row in table if row.key not in changes]
    return Decided((*kept, *filter(None, changes.values())))


def test_new_label_replaces_the_earlier_one_and_leaves_the_fate() -> None:
    table = [Row(A, "coat", split="test")]
    now = applied(label_as(A, "dress", Decided(tuple(table)), split="test"), table)
    assert (now.labels, now.split) == (("dress",), "test")
    kept = applied(set_fate(A, "keep"), list(now.rows))
    taken = applied(label_as(A, None, kept), list(kept.rows))
    assert (taken.labels, taken.fate) == ((), "keep")


@given(tables(), tables(), tables())
def test_merge_loses_no_decision_and_brings_none_back(
    base: list[Row], ours: list[Row], theirs: list[Row]
) -> None:
    merged = merge_rows(base, ours, theirs, {})
    was, our, their = ({row.key: row for row in table} for table in (base, ours, theirs))
    for key in {*was, *our, *their}:
        answers = {row.answer for row in merged if row.key == key}
        sides = [side.get(key) for side in (our, their)]
        changed = [row for row in sides if row != was.get(key)]
        # A deletion counts only beside an unchanged row.
        expected = [row for row in changed if row] if changed else sides[:1]
        assert answers == {row.answer for row in expected if row}
    assert merged == merge_rows(base, theirs, ours, {})
    assert merge_rows(base, ours, base, {}) == tuple(
        sorted(ours, key=lambda row: (row.key, row.answer))
    )


def test_two_spellings_of_an_image_are_one_key_for_a_merge() -> None:
    ids = {"data/coat/1.png": A}
    merged = merge_rows([], [Row("data/coat/1.png", "coat")], [Row(A, "coat")], ids)
    assert merged == (Row(A, "coat"),)


def test_image_of_a_random_sample_stays_in_its_split() -> None:
    ours = [Row(A, "coat", split="train", by="ann")]
    theirs = [Row(A, "coat", split="test", by="bob")]
    assert merge_rows([], ours, theirs, {}) == tuple(theirs)


def test_two_labels_of_two_sides_are_kept() -> None:
    base = [Row(A, "coat")]
    merged = merge_rows(base, [Row(A, "dress")], [Row(A, "shirt")], {})
    assert [row.label for row in merged] == ["dress", "shirt"]
