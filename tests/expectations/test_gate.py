"""Only critical failures stop the pipeline, in words that a person can act on."""

from pixmill.expectations import Check, Outcome, failures, gate_error, verdicts_by_name, warnings


def outcome(name: str, severity: str, *found: str, success: bool = False) -> Outcome:
    check = Check(name, "classes", "", {}, severity, (f"validate.{name}.share",), "at least 0.2", lambda *_: [])  # type: ignore[arg-type]
    return Outcome(check, success, "", {}, {}, found)


def test_only_what_is_critical_and_failed_stops_the_pipeline() -> None:
    critical, warned = outcome("a", "critical"), outcome("b", "warning")
    assert failures([critical, warned, outcome("c", "info"), outcome("d", "critical", success=True)]) == [critical]
    assert gate_error([warned], report="page.html") is None


def test_what_failed_and_stops_nothing_is_told_in_few_lines_with_its_severity() -> None:
    some = [outcome("a", "critical"), outcome("c", "info", "3 are dark"), outcome("d", "info", success=True)]
    many = outcome("b", "warning", *(f"class {n}" for n in range(5)))
    expected = "expected at least 0.2 (validate.{}.share)"
    assert warnings([*some, many]) == {
        "c": [f"info: c: 3 are dark; {expected.format('c')}"],
        "b": [
            *(f"warning: b: class {n}; {expected.format('b')}" for n in range(3)),
            "warning: b: 2 more like these",
        ],
    }


def test_a_name_holds_where_all_of_its_checks_do() -> None:
    some = [outcome("a", "info", success=True), outcome("a", "info"), outcome("b", "info", success=True)]
    assert verdicts_by_name(some) == {"a": False, "b": True}


def test_the_message_names_what_where_how_much_and_the_parameter() -> None:
    error = gate_error([outcome("balance", "critical", "class 'shoe' has 3 pictures")], report="page.html")
    assert str(error).splitlines() == [
        "the gate stopped the pipeline, 1 critical expectation failed",
        "  balance: class 'shoe' has 3 pictures; expected at least 0.2 (validate.balance.share)",
        "Next: open page.html; mend the pictures, or edit validate.balance.share in params.yaml; then: dvc repro",
    ]


def test_advice_comes_first_and_once_and_what_no_parameter_governs_names_none() -> None:
    check = Check("apart", "pairs", "", {}, "critical", (), "none", lambda *_: [])
    failed = Outcome(check, False, "", {}, {}, ("2 pairs cross",), "`dvc checkout artifacts/scrape` brings them back")
    error = gate_error([failed, failed], report="page.html", mend="report it")
    assert str(error).splitlines()[1:] == [
        "  apart: 2 pairs cross; expected none",
        "  apart: 2 pairs cross; expected none",
        "Next: `dvc checkout artifacts/scrape` brings them back; open page.html; report it; then: dvc repro",
    ]


def test_a_hundred_classes_do_not_scroll_by() -> None:
    error = gate_error([outcome("balance", "critical", *(f"class {n}" for n in range(100)))], report="page.html")
    assert error is not None
    lines = error.message.splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  balance: 80 more like these"
