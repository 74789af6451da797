"""The section sweep: search spaces, and refused params."""

from pathlib import Path

import pytest
import yaml

from pixmill.core.errors import ParamsError
from pixmill.core.params import RangeParams, SweepParams, check_space, load_params, parse_params
from tests.command import run_pixmill

REST = "classes: [coat, dress]\nscrape: {snapshot: '2026-11-20'}\n"


def parsed(sweep: str, rest: str = REST) -> SweepParams:
    params = parse_params(f"{rest}sweep: {sweep}")
    check_space(params)
    return params.sweep


def test_all_of_it_can_be_set() -> None:
    sweep = parsed(
        "{metric: log_loss, trials: 7, sampler: grid, folds: 3, seed: 1, space: {train.batch_size: "
        "[32, 64], train.cnn.blocks.0.filters: {low: 4, high: 8}, train.learning_rate: {low: "
        "0.001, high: 1, log: true}}}"
    )
    assert (sweep.metric, sweep.trials, sweep.sampler, sweep.folds, sweep.seed) == (
        "log_loss",
        7,
        "grid",
        3,
        1,
    )
    assert sweep.space["train.batch_size"] == (32, 64)
    assert sweep.space["train.learning_rate"] == RangeParams(low=0.001, high=1, log=True)
    whole = sweep.space["train.cnn.blocks.0.filters"]
    assert isinstance(whole, RangeParams)
    assert (type(whole.low), type(whole.high)) == (int, int)
    assert parsed("{}") == SweepParams()


SEARCHED = (
    "a sweep searches params of train, except seed, threads, cross_validation, learning_curve and "
    "target_accuracy; for others: dvc exp run --queue -S"
)


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        (
            "{space: {train.learning_rat: [0.1]}}",
            "sweep.space.train.learning_rat: no such parameter; did you mean",
        ),
        ("{space: {train.epochs: [3, many]}}", "sweep.space.train.epochs: expected"),
        ("{space: {train.epochs: {low: -1, high: 5}}}", "sweep.space.train.epochs: expected"),
        (
            "{space: {train.epochs: {low: 5, high: 5}}}",
            "sweep.space.train.epochs: expected low < high, received 5 and 5",
        ),
        (
            "{space: {train.augmentation.zoom: {low: 0, high: 0.1, log: true}}}",
            (
                "sweep.space.train.augmentation.zoom: expected low > 0 for a logarithmic range, "
                "received 0"
            ),
        ),
        ("{space: {train.epochs: {low: 1}}}", "sweep.space.train.epochs.high: "),
        ("{space: {train.epochs: {low: 1, high: 5, step: 2}}}", "sweep.space.train.epochs.step: "),
        ("{space: {train.epochs: 5}}", "sweep.space.train.epochs: expected"),
        ("{space: {train.epochs: []}}", "sweep.space.train.epochs: expected"),
        ("{space: [train.epochs]}", "sweep.space: expected"),
        *(
            (f"{{space: {{{name}: [{value}]}}}}", f"sweep.space.{name}: {SEARCHED}")
            for name, value in (
                ("train.seed", 1),
                ("split.val", 0.1),
                ("split.image_size", 32),
                ("scrape.per_class", 10),
                ("classes", "[a, b]"),
            )
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(sweep: str, line: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        parsed(sweep)
    assert refusal.value.message.startswith(line)


def test_a_value_that_other_params_forbid_is_refused_like_theirs() -> None:
    with pytest.raises(ParamsError, match=r"sweep\.space\.train\.backbone\.image_size"):
        parsed("{space: {train.backbone.image_size: [7]}}")


def test_each_wrong_param_has_a_line_and_stages_read_the_file_all_the_same() -> None:
    params = parse_params(
        f"{REST}sweep: {{space: {{train.seed: [1], train.epochs: [1, many], train.epoch: [1]}}}}"
    )
    with pytest.raises(ParamsError) as refusal:
        check_space(params)
    assert [line.split(": ")[0] for line in refusal.value.message.splitlines()] == [
        "sweep.space.train.seed",
        "sweep.space.train.epochs",
        "sweep.space.train.epoch",
    ]


def test_a_project_may_leave_the_section_out_and_dvc_does_not_miss_it(
    repository: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load((repository / "params.yaml").read_text(encoding="utf-8"))
    content.pop("sweep")
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_params(tmp_path).sweep == SweepParams()


def test_check_refuses_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "params.yaml").write_text(f"{REST}sweep: {{space: {{train.seed: [1, 2]}}}}\n")
    monkeypatch.chdir(tmp_path)
    assert run_pixmill("doctor", "--quick") != 0
    assert f"sweep.space.train.seed: {SEARCHED}" in "".join(capsys.readouterr())
