"""Text, JSON and page of a sweep."""

import json
import re
import shutil

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.experiments.sweep import searching
from pixmill.experiments.sweep.report import (
    describe_plan,
    headline,
    render_sweep,
    sweep_json,
    sweep_text,
)
from pixmill.experiments.sweep.trial_store import SweepTrial
from tests.experiments.sweep.conftest import find
from tests.experiments.sweep.swept import FakeTrial, make_plan, write_params


@pytest.fixture(scope="module")
def twelve(template, tmp_path_factory):
    """The outcome of twelve complete trials, and of pruned and failed ones."""
    root = shutil.copytree(template, tmp_path_factory.mktemp("twelve") / "root")
    values = {"train.learning_rate": 0.003, "train.batch_size": 32, "train.augmentation.zoom": 0.1}
    others = [
        SweepTrial(90, values, "pruned", None, 0, 1.0),
        SweepTrial(91, values, "pruned", None, 0, 1.0),
        SweepTrial(92, values, "failed", None, 0, 1.0, reason="<b>out of memory</b>"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "run_trial", FakeTrial())
        return find(Workspace(root, root), 12, others)


def test_text_has_best_trial_expected_value_and_next_command(twelve) -> None:
    result = twelve
    lines = sweep_text(result).splitlines()
    best = result.best
    assert lines[0].startswith(
        f"Of 15 trials, {best.name} has the best macro-F1 on validation, {best.value:.3f}; "
    )
    assert lines[1].startswith(
        f"The best of 12 is partly luck: expect about {result.expected.value:.3f} (95 % CI "
    )
    early = "trial 90 after 0 epochs and trial 91 after 0 epochs"
    assert (
        lines[2]
        == f"2 trials were stopped early, since most others were better at the same epoch: {early}."
    )
    assert lines[3] == "1 trial failed, the first with: <b>out of memory</b>."
    assert re.search(rf"^  {best.number} +{best.value:.3f} \(", "\n".join(lines), re.MULTILINE)
    assert "… and 2 more in reports/sweep.html" in lines
    now = f"The current params (trial 0) have {result.trials[0].value:.3f}, "
    assert lines[-1].startswith(now)
    assert lines[-1].endswith(f" To use trial {best.number}: pixmill sweep --apply && dvc repro")
    assert [
        line for line in lines if line.startswith("  0, params.yaml ")
    ] or result.current not in result.rows[:10]


def test_json_has_all_trials_and_no_nan(twelve) -> None:
    result = twelve
    document = json.loads(sweep_json(result), parse_constant=pytest.fail)
    assert (document["best"], document["metric"], document["folds"], document["images"]) == (
        result.best.number,
        "macro_f1",
        None,
        60,
    )
    assert document["summary"] == headline(result)
    assert document["expected"]["value"] == pytest.approx(result.expected.value, rel=1e-5)
    assert [trial["number"] for trial in document["trials"]] == [*range(12), 90, 91, 92]
    assert [trial["state"] for trial in document["trials"]] == ["complete"] * 12 + [
        "pruned"
    ] * 2 + ["failed"]
    assert document["trials"][-1] | {"params": 0, "seconds": 0} == {
        "number": 92,
        "state": "failed",
        "params": 0,
        "value": None,
        "worse": None,
        "seconds": 0,
        "reason": "<b>out of memory</b>",
    }
    assert document["trials"][3]["params"] == pytest.approx(dict(result.trials[3].values))
    worse = [trial["worse"] for trial in document["trials"] if trial["worse"] is not None]
    assert worse.count(False) == result.undecided + (len(worse) == 12)


def test_plan_shows_space_and_current_values(workspace, fake_trial) -> None:
    text = describe_plan(make_plan(workspace), 0)
    assert text.startswith("Space (sweep.space in params.yaml):")
    assert re.search(r"train\.learning_rate +0\.0003 to 0\.03, logarithmic +0\.003", text)
    assert re.search(r"train\.batch_size +16, 32 +32", text)
    assert text.endswith("50 trials by tpe, measured by macro-F1 on the validation split")
    write_params(workspace.root, space={}, folds=3)
    text = describe_plan(make_plan(workspace, trials=1), 7)
    assert "the default for the model cnn" in text
    assert "1 trial by tpe, measured by macro-F1 in 3-fold cross-validation" in text
    assert text.endswith("All are finished: pixmill sweep prints the result")
    assert describe_plan(make_plan(workspace), 7).endswith(
        "7 trials finished: pixmill sweep continues"
    )


def test_page_escapes_text_and_is_self_contained(twelve) -> None:
    result = twelve
    page = render_sweep(result)
    assert page == render_sweep(result)
    assert f"<h1>{headline(result).partition(';')[0]}</h1>" in page
    assert re.findall(r'aria-label="macro-F1 by ([^"]*)"', page) == [*result.best.values]
    assert page.count("<circle") == 3 * (12 + 1)
    assert "is partly luck: expect about" in page
    assert "&lt;b&gt;out of memory&lt;/b&gt;" in page
    assert "<b>out" not in page
    assert "Measured on 60 validation images, the same for all models" in page
    assert "pixmill sweep --apply &amp;&amp; dvc repro" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#|[a-z]+\.html")|url\(|@import""", page)
