"""Only critical failures stop the pipeline, in words that a person can act on."""

from pixmill.validate.checks import Check
from pixmill.validate.expectations import Outcome
from pixmill.validate.gate import failures, gate_error, verdicts_by_name


def outcome(name: str, severity: str, *found: str, success: bool = False) -> Outcome:
    check = Check(name, "classes", "", {}, severity, (f"validate.{name}.share",), "at least 0.2", lambda *_: [])  # type: ignore[arg-type]
    return Outcome(check, success, "", {}, {}, found)


def test_only_what_is_critical_and_failed_stops_the_pipeline() -> None:
    critical, warned = outcome("a", "critical"), outcome("b", "warning")
    assert failures([critical, warned, outcome("c", "info"), outcome("d", "critical", success=True)]) == [critical]
    assert gate_error([warned], report="page.html") is None


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


def test_a_hundred_classes_do_not_scroll_by() -> None:
    error = gate_error([outcome("balance", "critical", *(f"class {n}" for n in range(100)))], report="page.html")
    assert error is not None
    lines = error.message.splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  balance: 80 more like these"
