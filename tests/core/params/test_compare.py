"""The section compare: limits that a change must keep."""

import pytest

from pixmill.core.errors import ParamsError
from pixmill.core.params import CompareParams, parse_params

REST = "classes: [coat, dress]\nscrape: {snapshot: '2026-11-20'}\n"
HIGH = (
    "macro_f1, accuracy, balanced_accuracy, weighted_f1, roc_auc, pr_auc, mean_average_precision, "
    "exact_match"
)


def parsed(text: str) -> CompareParams:
    return parse_params(f"{REST}compare: {text}").compare


def test_all_limits_can_be_set() -> None:
    limits = parsed(
        "{metric: log_loss, max_drop: 0.05, min: {accuracy: 0.85, macro_f1: 0.8}, max: {log_loss: "
        "2.5, ece: 0.1}, min_per_class: {recall: 0.7}, max_megabytes: 20, max_seconds: 600}"
    )
    assert (limits.min, limits.max) == (
        {"accuracy": 0.85, "macro_f1": 0.8},
        {"log_loss": 2.5, "ece": 0.1},
    )
    assert (limits.max_drop, limits.min_per_class, limits.max_megabytes) == (
        0.05,
        {"recall": 0.7},
        20,
    )
    answered = {"coverage": 0.8, "covered_accuracy": 0.95}
    assert parsed(f"{{min: {answered}}}").min == answered
    assert parsed("{max_drop: null}").max_drop is None
    assert parsed("{}").max_drop == "significant"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{metric: f1}", f"compare.metric: expected one of {HIGH}, log_loss, ece, received 'f1'"),
        (
            "{max_drop: 5}",
            "compare.max_drop: expected a number from 0 to 1 or significant or null, received 5",
        ),
        (
            "{min: {accuracy: high}}",
            "compare.min.accuracy: expected a number from 0 to 1, received 'high'",
        ),
        ("{min: 0.8}", "compare.min: expected a mapping, received 0.8"),
        (
            "{metric: coverage}",
            f"compare.metric: expected one of {HIGH}, log_loss, ece, received 'coverage'",
        ),
        (
            "{max: {accuracy: 0.8}}",
            "compare.max.accuracy: Input should be 'log_loss' or 'ece', received 'accuracy'",
        ),
        (
            "{max_megabytes: 20 MB}",
            (
                "compare.max_megabytes: expected a number from 0 to 1,000,000 or null, received "
                "'20 "
                "MB'"
            ),
        ),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(text: str, line: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        parsed(text)
    assert refusal.value.message == line


def test_the_metric_fits_the_task() -> None:
    several = f"{REST}task: labels\n"
    assert parse_params(several).compare.metric == "mean_average_precision"
    assert parse_params(f"{several}compare: {{metric: ece}}").compare.metric == "ece"
    for text in (
        f"{several}compare: {{metric: macro_f1}}",
        f"{REST}sweep: {{metric: exact_match}}",
    ):
        with pytest.raises(ParamsError, match="metric: task"):
            parse_params(text)
