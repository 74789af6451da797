"""What is promoted, what is refused, and what a version tells of it."""

import json

import pytest

from pixmill.core.errors import PixmillError
from pixmill.registry.model_versions import PENDING, STATE
from pixmill.registry.promoting import shorten_json
from pixmill.registry.taking_turns import take_ticket
from tests.compare.projects import write
from tests.compare.recorded import add_run
from tests.registry.projects import MISTAKES, NAME, add_model, state
from tests.version_control import commit, git


def refusal(give, what=None, **options):
    """Return why it is refused."""
    with pytest.raises(PixmillError) as caught:
        give(what, **options)
    return caught.value


def limits(root, review):
    """Set limits, which changes no result, and commit them."""
    with (root / "params.yaml").open("a") as file:
        file.write(f"review: {review}\n")
    commit(root, "Set limits")


def test_the_first_one_is_judged_by_the_limits_that_need_no_base(give, registry, project):
    done = give()
    assert (done.number, done.former, done.moved) == (1, None, True)
    assert done.describe() == f"Promoted: champion of {NAME} is version 1."
    assert state(registry) == {"champion": (1, "first")}
    tags = registry.get(1).tags
    expected = {"verdict": "first", "gate": "pass", "by": "Ada <ada@example.org>", "promotion": "done"}
    assert {key: tags[f"pixmill.{key}"] for key in expected} == expected
    assert tags["pixmill.commit"] == git(project, "rev-parse", "HEAD")
    assert len(tags["pixmill.dvc.lock"]) == 64


def test_the_first_one_is_refused_where_a_limit_is_broken(give, registry, project):
    limits(project, "{min: {accuracy: 0.95}}")
    assert "not promoted: accuracy 0.875" in str(refusal(give))
    assert state(registry) == {}


def test_a_better_one_replaces_the_champion(give, registry):
    give()
    done = give("better")
    assert (done.number, done.former, done.comparison.verdict, done.warnings) == (2, 1, "better", ())
    assert done.describe() == f"Promoted: champion of {NAME} is version 2, instead of version 1, which is previous now."
    assert state(registry) == {"champion": (2, "better"), "previous": (1, "first")}
    version = registry.get(2)
    assert (version.replaces, version.tags["pixmill.verdict"]) == (1, "better")
    comparison = json.loads(version.tags["pixmill.comparison"])
    assert comparison["base"]["name"] == f"models:/{NAME}/1"
    assert comparison["flips"]["gained"] == MISTAKES["first"]
    assert "flips.images" in comparison["left_out"]
    assert json.loads(version.tags["pixmill.recorded"])["accuracy"] == [1.0, 0.98, 1.02]


def test_a_run_is_promoted_by_its_id(give, registry, runs):
    for what in (runs["first"], f"runs:/{runs['better']}"):
        give(what)
    assert state(registry) == {"champion": (2, "better"), "previous": (1, "first")}


def test_a_worse_one_is_refused_unless_forced(give, registry):
    give()
    error = refusal(give, "worse")
    assert error.message.startswith("not promoted: Worse: macro-F1 falls")
    assert error.next == 'if it must be: pixmill promote worse --force --because "…"'
    assert state(registry) == {"champion": (1, "first")}
    done = give("worse", force=True, because="the\nlicence of the other")
    assert [warning.partition(":")[0] for warning in done.warnings] == ["forced", "forced"]
    assert state(registry)["champion"] == (2, "worse")
    assert registry.get(2).tags["pixmill.because"] == "the licence of the other"


def test_an_undecided_one_is_promoted_with_a_warning(give, registry):
    give()
    done = give("alike")
    assert done.comparison.verdict == "undecided"
    assert done.warnings[0] == "the test images do not tell whether it is better than champion was"
    assert registry.get(2).tags["pixmill.verdict"] == "undecided"
    assert registry.get(2).tags["pixmill.gate"] == "undecided"


def test_what_cannot_be_compared_is_refused(give, project, registry):
    run = add_run(registry.client, project / "more", "silent", "{seed: 9}", None, weights="of none")
    registry.register("s3://bucket/model", run=run, model_id=None, tags={})
    registry.move("champion", 1)
    assert refusal(give, "better").message.startswith("not promoted: Not comparable")
    assert state(registry) == {"champion": (1, "silent")}


def test_a_champion_that_is_lost_can_be_replaced_by_force(give, registry):
    registry.register("s3://bucket/model", run=None, model_id=None, tags={})
    registry.move("champion", 1)
    error = refusal(give, "better")
    assert error.message.startswith(
        "version 1, the present one, cannot be compared with: models:/garments/1 belongs to"
    )
    assert error.next.endswith('or if it must be: pixmill promote better --force --because "…"')
    done = give("better", force=True, because="nobody knows where it came from")
    assert (done.number, done.former, done.comparison.base) == (2, 1, None)
    assert registry.get(2).tags["pixmill.verdict"] == "not_comparable"


def test_a_dirty_tree_is_refused(give, project, registry):
    write(project / "params.yaml", (project / "params.yaml").read_text() + "review: {metric: accuracy}\n")
    error = refusal(give, "better")
    assert (
        error.message == "the working tree differs from its commit in params.yaml, so no commit holds what is promoted"
    )
    assert state(registry) == {}
    (project / "notes.txt").write_text("Git does not track this.")
    git(project, "checkout", "params.yaml")
    assert give().number == 1


def test_results_of_other_params_are_refused(give, project):
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("seed: 0", "seed: 7"))
    commit(project, "Change the seed without running it")
    error = refusal(give)
    assert error.message == "The results of HEAD are of an earlier run: train in params.yaml has changed since"
    assert error.next.startswith("dvc repro")


def test_results_of_other_code_are_refused(give, project):
    lock = project / "dvc.lock"
    (project / "src" / "nets").mkdir(parents=True)
    (project / "src" / "nets" / "one.py").write_text("LAYERS = 1\n")
    from pixmill.core.dvc import folder_md5

    dep = f"deps:\n    - path: src/nets\n      md5: {folder_md5(project / 'src' / 'nets')}\n    outs:"
    lock.write_text(lock.read_text().replace("outs:", dep, 1))
    commit(project, "Train with code of our own")
    assert give().number == 1
    (project / "src" / "nets" / "one.py").write_text("LAYERS = 2\n")
    commit(project, "Change the code without running it")
    assert refusal(give).message.endswith("the code in src/nets has changed since")


def test_a_run_on_uncommitted_changes_is_refused(give, registry, runs):
    registry.client.set_tag(runs["better"], "pixmill.dirty", "true")
    error = refusal(give, runs["better"])
    assert error.message.endswith("was trained on changes that its commit does not hold")
    registry.client.set_tag(runs["better"], "DVC_EXP_NAME", "better")
    assert refusal(give, runs["better"]).next == "pixmill promote better"
    assert give("better").number == 1


def test_a_run_that_mlflow_lacks_is_refused(give, project, registry, runs):
    registry.client.delete_run(runs["better"])
    assert "has no run with the weights of better" in refusal(give, "better").message
    (project / ".pixmill" / "record" / "one").mkdir(parents=True)
    assert refusal(give, "better").next == "pixmill sync, then the same command"


def test_a_run_without_a_model_is_refused(give, registry, runs):
    for model in registry.client.search_logged_models(["0"], f"source_run_id = '{runs['better']}'"):
        registry.client.delete_logged_model(model.model_id)
    assert refusal(give, "better").message == "the run better in MLflow has no model 'classifier'"
    add_model(registry.client, runs["better"])
    assert give("better").number == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alias": "previous"}, "the alias previous follows champion"),
        ({"alias": "previous-staging"}, "the alias previous-staging follows staging"),
        ({"alias": "latest"}, "cannot be an alias"),
        ({"alias": "v2"}, "cannot be an alias"),
        ({"name": "a/b"}, "cannot name a model"),
        ({"name": "a' or '1"}, "cannot name a model"),
        ({"what": "workspace"}, "the workspace is no commit"),
        ({"what": "nowhere"}, "there is no commit, branch, tag or experiment 'nowhere'"),
    ],
)
def test_names_that_cannot_be(give, registry, options, words):
    assert words in refusal(give, **options).message
    assert state(registry) == {}


def test_other_aliases_and_names_are_apart(give, workspace, registry):
    from pixmill.registry.model_versions import Registry

    give()
    give("better", alias="staging")
    give("alike", alias="staging", force=True, because="to see")
    give("better", name="shoes")
    assert state(registry) == {
        "champion": (1, "first"),
        "staging": (3, "alike"),
        "previous-staging": (2, "better"),
    }
    assert state(Registry(workspace, "shoes")) == {"champion": (1, "better")}


def test_the_champion_itself_is_left_alone(give, registry):
    give()
    done = give()
    assert (done.moved, done.number) == (False, 1)
    assert done.describe().startswith("Nothing to do")
    assert len(registry.versions()) == 1


def test_an_alias_that_moved_meanwhile_is_told(give, registry):
    give()
    seen = registry.aliases()["champion"]
    version = registry.get(1)
    ticket = take_ticket(
        registry, "champion", seen=seen, source=version.source, run=version.run, model_id=version.model_id, tags={},
        command="pixmill promote",
    )  # fmt: skip
    registry.tag(ticket.number, STATE, "abandoned")  # as if it had slept
    give("better")
    with pytest.raises(PixmillError, match="silent for more than"):
        ticket.check()
    registry.tag(ticket.number, STATE, PENDING)
    with pytest.raises(PixmillError, match=r"champion of garments is version 3 meanwhile, by Ada <ada@example\.org>"):
        ticket.check()


def test_a_long_comparison_is_shortened():
    document = {
        "verdict": "same",
        "flips": {"gained": 1, "images": [{"id": "a"}]},
        "data": None,
        "per_class": {f"class {number}": {"support": 1} for number in range(9_000)},
        "rules": [],
    }
    kept = json.loads(shorten_json(json.dumps(document)))
    assert kept["left_out"] == ["flips.images", "per_class"]
    assert kept["flips"] == {"gained": 1}
    assert kept["rules"] == []
