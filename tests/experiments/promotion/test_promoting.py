"""Promoted and refused models, and the tags of versions."""

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.experiments.promotion.report import read_champion
from pixmill.tracking import model_versions
from pixmill.tracking.model_lookup import STATE, resolve
from pixmill.tracking.model_versions import ALIAS, BY, PENDING, Registry
from pixmill.tracking.rolling_back import roll_back, rolled_back
from tests.experiments.compare.projects import write
from tests.experiments.promotion.projects import NAME, state
from tests.version_control import commit, git


def refusal(give, what=None, **options):
    """Return the error of a refused promotion."""
    with pytest.raises(PixmillError) as caught:
        give(what, **options)
    return caught.value


def limits(root, compare):
    """Set limits, and commit them."""
    with (root / "params.yaml").open("a") as file:
        file.write(f"compare: {compare}\n")
    commit(root, "Set limits")


def test_first_model_is_promoted(give, registry, project):
    done = give()
    assert (done.number, done.former, done.warnings) == (1, None, ())
    assert done.describe() == f"Promoted: champion of {NAME} is version 1."
    assert state(registry) == {"champion": (1, "first")}
    tags = registry.get(1).tags
    expected = {
        "verdict": "first",
        "gate": "pass",
        "by": "Ada <ada@example.org>",
        "promotion": "done",
    }
    assert {key: tags[f"pixmill.{key}"] for key in expected} == expected
    assert tags["pixmill.commit"] == git(project, "rev-parse", "HEAD")
    again = give()
    assert (again.comparison, again.number, len(registry.versions())) == (None, 1, 1)
    assert again.describe().startswith("Nothing to do")


@pytest.mark.parametrize(
    ("name", "verdict", "word"),
    [
        ("better", "better", ""),
        ("same", "same", ""),
        ("higher", "undecided", ""),
        ("alike", "undecided", "accept"),
        ("worse", "worse", "force"),
        ("wider", "better", ""),
        ("renamed", "not_comparable", "force"),
    ],
)
def test_lower_models_need_a_word(champion, give, registry, name, verdict, word):
    """A model of each verdict is promoted, or only with the word that its refusal names."""
    if word:
        assert f"pixmill promote {name} --{word}" in refusal(give, name).next
        assert word == "accept" or "--force" in refusal(give, name, accept=True).next
        assert state(registry) == {"champion": (1, "first")}
    done = give(name, because="a reason", **({word: True} if word else {}))
    assert state(registry) == {"champion": (2, name), "previous": (1, "first")}
    assert done.comparison.verdict == verdict
    tags = registry.get(2).tags
    assert ("pixmill.accepted" in tags, "pixmill.forced" in tags) == (
        word == "accept",
        word == "force",
    )
    expected = {"verdict": verdict, "by": "Ada <ada@example.org>", "because": "a reason"}
    assert {key: tags[f"pixmill.{key}"] for key in expected} == expected
    undecided = "the test images do not decide whether it is better than version 1"
    assert (undecided in done.warnings) == (verdict == "undecided")


def test_removed_classes_need_a_word(champion, give, registry):
    give("wider")
    error = refusal(give, "better")
    assert error.message == "not promoted: it does not know hat of version 2"
    assert error.next == 'if it must be: pixmill promote better --accept-removed-classes "…"'
    done = give("better", accept=True, because="hats are not sold now")
    assert (
        registry.get(done.number).tags["pixmill.accepted"]
        == done.warnings[0]
        == "it does not know hat of version 2"
    )


def test_higher_loss_is_lower_quality(champion, give, registry, project):
    limits(project, "{metric: log_loss}")
    error = refusal(give, "alike")
    assert error.message.startswith("not promoted: its log loss is higher than that of version 1 (")
    assert give("higher").comparison.verdict == "undecided"


def test_dirty_tree_is_refused(give, project, registry):
    write(
        project / "params.yaml",
        (project / "params.yaml").read_text() + "compare: {metric: accuracy}\n",
    )
    error = refusal(give, "better")
    assert error.message == "params.yaml changed since the last commit, so no commit has this model"
    assert state(registry) == {}


def test_outdated_results_are_refused(give, project):
    (project / "params.yaml").write_text(
        (project / "params.yaml").read_text().replace("seed: 0", "seed: 7")
    )
    commit(project, "Change the seed without running it")
    error = refusal(give)
    assert (
        error.message
        == "The results of HEAD are of an earlier run: train in params.yaml has changed since"
    )
    assert error.next is not None
    assert error.next.startswith("dvc repro")


def test_from_staging_to_production(champion, give, registry, project):
    give("better", alias="staging")
    done = give(f"models:/{NAME}@staging")
    assert (done.number, state(registry)) == (
        3,
        {"staging": (2, "better"), "champion": (3, "better"), "previous": (1, "first")},
    )
    commit = git(project, "rev-parse", "better")
    assert registry.get(3).tags["pixmill.commit"] == commit
    assert resolve(f"models:/{NAME}@champion", Workspace(project, project)).commit == commit
    give("better", name="shoes")
    assert state(Registry(Workspace(project, project), "shoes")) == {"champion": (1, "better")}


def test_rolled_back_model_needs_a_word(champion, give, registry, workspace):
    commit = registry.get(give("better").number).tags["pixmill.commit"]
    roll_back(workspace, because="it takes boots for bags")
    assert read_champion(workspace).rolled_back == (commit,)
    error = refusal(give, "better")
    assert error.message.startswith(
        "not promoted: version 2, the same model, was rolled back on 20"
    )
    assert error.next == 'if it must be: pixmill promote better --accept-rolled-back "…"'
    assert state(registry)["champion"] == (1, "first")
    (warning,) = give("better", accept=True, because="the boots are gone").warnings
    assert warning.endswith("by Ada <ada@example.org>: it takes boots for bags")
    assert registry.get(3).tags["pixmill.accepted"] == warning
    assert rolled_back(registry, "champion") == [], "promoted since"
    give(force=True)
    assert give("better").warnings == ()
    roll_back(workspace, to=2)
    assert [version.number for version, _ in rolled_back(registry, "champion")] == [5], (
        "version 2 came back"
    )


def test_failed_move_keeps_the_version(champion, give, registry, monkeypatch):
    """MLflow may have moved the alias before it failed.

    Deleting the version would delete the alias.
    """
    true = Registry.move

    def lost(self, alias, number):
        true(self, alias, number)
        raise PixmillError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "move", lost)
        assert refusal(give, "better").message == "the answer was lost"
    assert state(registry)["champion"] == (2, "better")
    assert registry.get(2).tags[STATE] == PENDING
    assert not give("better").comparison
    assert registry.get(2).tags[STATE] == "done"


def test_missing_run_or_model_is_refused(give, project, registry, runs):
    for model in registry.client.search_logged_models(["0"], f"source_run_id = '{runs['better']}'"):
        registry.client.delete_logged_model(model.model_id)
    assert refusal(give, "better").message == "the run better in MLflow has no model 'classifier'"
    registry.client.delete_run(runs["better"])
    assert "has no run with the weights of better" in refusal(give, "better").message
    (project / ".pixmill" / "record" / "one").mkdir(parents=True)
    assert refusal(give, "better").next == "pixmill doctor --fix, then the same command"


def test_lowest_pending_version_wins(champion, registry, monkeypatch):
    version = registry.get(1)

    def register():
        tags = {STATE: PENDING, ALIAS: "champion", BY: "Ada"}
        return registry.register(
            version.source, run=version.run, model_id=version.model_id, tags=tags
        )

    lower = register()
    higher = register()
    with pytest.raises(
        PixmillError, match="Ada promotes version 2 of garments at this moment"
    ) as refused:
        registry.move_pending("champion", higher, 1, "pixmill promote")
    assert refused.value.next == "pixmill promote"
    registry.move_pending("champion", lower, 1, "pixmill promote")
    late = register()
    with pytest.raises(PixmillError, match="champion of garments is version 2 meanwhile, by Ada"):
        registry.move_pending("champion", late, 1, "pixmill promote")
    assert [each.number for each in registry.versions()] == [lower, 1]
    # A pending version of a killed process expires.
    _ = register()
    last = register()
    monkeypatch.setattr(model_versions, "PENDING_SECONDS", 0)
    registry.move_pending("champion", last, lower, "pixmill promote")
    assert registry.aliases()["champion"] == last


@pytest.mark.parametrize(
    "options",
    [
        {"alias": "previous-staging"},
        {"alias": "v2"},
        {"name": "a/b"},
        {"name": "a' or '1"},
        {"what": "workspace"},
        {"what": f"runs:/{'a' * 32}"},
    ],
)
def test_rejects_invalid_names(give, registry, options):
    assert refusal(give, **options).next
    assert state(registry) == {}
