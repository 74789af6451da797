"""A recipe replaces params.yaml without losing edits."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from pixmill.core.errors import ParamsError
from pixmill.core.params import TrainParams, load_params
from pixmill.project.recipes.recipe import find_recipe, find_recipes
from pixmill.project.recipes.replacement import use
from tests.command import run_pixmill
from tests.version_control import commit, git, start_repository

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / "data").mkdir()
    commit(start_repository(folder))
    return folder


def edit(project: Path, before: str = "seed: 7", after: str = "seed: 8") -> str:
    path = project / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_replaces_params_with_comments(project: Path) -> None:
    recipe = find_recipe(project, "garments")
    done = use(project, recipe, full=True)
    assert recipe.text in (project / "params.yaml").read_text(encoding="utf-8")
    assert done.changes["split.image_size"][1] == 300
    assert done.changes["train.cnn.blocks.0.padding"] == ("same", "valid")
    assert done.backup is None
    assert done.following == ("pixmill scrape --dry-run", "dvc repro")
    again = use(project, recipe, full=True)
    assert (again.rewritten, again.changes) == (False, {})


@pytest.mark.parametrize("is_staged", [False, True])
def test_keeps_a_copy_of_uncommitted_params(project: Path, *, is_staged: bool) -> None:
    text = edit(project)
    if is_staged:
        git(project, "add", "params.yaml")
    done = use(project, find_recipe(project, "digits"))
    assert done.backup is not None
    assert (project / done.backup).read_text(encoding="utf-8") == text
    assert f"To restore the previous file: cp {done.backup} params.yaml" in done.lines()
    assert load_params(project).split.image_size == 28


def test_keeps_a_copy_without_git(project: Path) -> None:
    shutil.rmtree(project / ".git")
    assert use(project, find_recipe(project, "food")).backup is not None
    (project / "params.yaml").unlink()
    assert use(project, find_recipe(project, "food")).changes == {}


OURS = """\
# ours

classes: [parka, "dress"]   # two so far


scrape: {source: folder, snapshot: '2026-11-20'}
# Never change the salt.
split: {val: 0.1, salt: ours}    # agreed
train:
  # found by a sweep
  learning_rate:    0.01  # high
  model: cnn
  cnn:
    blocks:               # small
    - filters: 8          # first
    - {filters: 16}

    # the head
    dense: []
  patience:   # none
  # between
  schedule:
    name: cosine
  # after train

validate: {}
evaluate: {}
compare:
    min: {accuracy: 0.85}  # as agreed
# the end
"""


@pytest.mark.parametrize("name", [recipe.name for recipe in find_recipes(None)])
@pytest.mark.parametrize(
    "text", [(ROOT / "params.yaml").read_text(encoding="utf-8"), OURS], ids=["fresh", "ours"]
)
def test_changes_the_model_alone(project: Path, name: str, text: str) -> None:
    path = project / "params.yaml"
    recipe = find_recipe(project, name)
    path.write_text(text, encoding="utf-8")
    before = load_params(project)
    use(project, recipe)
    after = load_params(project)
    wanted = recipe.params()
    lines = path.read_text(encoding="utf-8").splitlines()
    images = {key: getattr(wanted.split, key) for key in ("image_size", "aspect", "resize")}
    split = before.split.model_copy(update=images)
    assert after == before.model_copy(update={"train": wanted.train, "split": split})
    # The comments stay in order, but that of an item of a list that was replaced; so do the blank
    # lines.
    comments = [line.partition("#")[2] for line in lines if "#" in line]
    expected = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    replaced = [" first"] if before.train.cnn.blocks != after.train.cnn.blocks else []
    assert comments == [comment for comment in expected if comment not in replaced]
    sections = [
        [line == "" for line, after in pairwise(each) if after[:1].isalpha()]
        for each in (text.splitlines(), lines)
    ]
    assert sections[0] == sections[1]


def test_model_in_yaml_with_anchors_is_refused(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(
        OURS.replace("val: 0.1,", "val: &part 0.1, test: 0.2,").replace("0.01  # high", "*part")
    )
    before = path.read_bytes()
    with pytest.raises(ParamsError) as refusal:
        use(project, find_recipe(project, "digits"))
    assert refusal.value.next is not None
    assert refusal.value.next.endswith("pixmill use digits --all")
    assert path.read_bytes() == before


def test_model_adds_a_missing_section(project: Path) -> None:
    (project / "params.yaml").write_text(
        "classes: [a, b]\nscrape:\n  snapshot: '2026-11-20'\nsplit:\n  val: 0.1\n"
        "validate: {}\nevaluate: {}\n# the end\n"
    )
    use(project, find_recipe(project, "scenes"))
    params = load_params(project)
    wanted = find_recipe(project, "scenes").params()
    assert params.classes == ("a", "b")
    assert params.train == wanted.train
    assert (params.split.val, params.split.image_size) == (0.1, 150)
    assert "# the end\n" in (project / "params.yaml").read_text()


def test_model_resets_omitted_keys(project: Path) -> None:
    (project / "recipes" / "ours.yaml").write_text(
        "classes: [a, b]\nscrape: {snapshot: '2026-11-20'}\n"
    )
    edit(project, "image_size: 224", "image_size: 96")
    before = load_params(project)
    use(project, find_recipe(project, "ours"))
    after = load_params(project)
    assert (before.split.image_size, after.split.image_size) == (96, 224)
    assert after.train == TrainParams()
    assert after.classes == before.classes


def test_invalid_params_can_be_replaced_entirely(project: Path) -> None:
    edit(project, "epochs:", "epoch:")
    with pytest.raises(ParamsError, match=r"train\.epoch: unknown key; did you mean epochs\?"):
        use(project, find_recipe(project, "digits"))
    assert use(project, find_recipe(project, "digits"), full=True).backup is not None
    load_params(project)


def test_invalid_recipe_changes_nothing(project: Path) -> None:
    path = project / "recipes" / "ours.yaml"
    path.write_text(
        (ROOT / "params.yaml").read_text(encoding="utf-8").replace("epochs:", "epoch:"),
        encoding="utf-8",
    )
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(
        ParamsError, match=r"recipes/ours.yaml is not valid:\ntrain\.epoch"
    ) as refusal:
        use(project, find_recipe(project, "ours"))
    assert refusal.value.next == "edit recipes/ours.yaml"
    assert (project / "params.yaml").read_bytes() == before


def test_fresh_clone(project: Path) -> None:
    (project / "data").rmdir()
    lines = use(project, find_recipe(project, "digits"), full=True).lines()
    assert lines[-2:] == [
        "data/ is missing, and dvc needs it for all stages\nNext: pixmill demo",
        "Next: dvc repro",
    ]


def test_keeps_the_section_compare(project: Path) -> None:
    edit(
        project, "  metric: macro_f1 ", "  min: {accuracy: 0.85}  # as agreed\n  metric: accuracy "
    )
    before = load_params(project).compare
    done = use(project, find_recipe(project, "digits"), full=True)
    text = (project / "params.yaml").read_text(encoding="utf-8")
    assert load_params(project).compare == before
    assert "  min: {accuracy: 0.85}  # as agreed\n" in text
    assert find_recipe(project, "digits").text in text
    assert not any(name.startswith("compare") for name in done.changes)


def test_keeps_what_people_excluded(project: Path) -> None:
    edit(
        project, "scrape:\n", "scrape:\n  opt_out: [a.example]\n  exclude_ids: [9f86d081884c7d65]\n"
    )
    own = project / "recipes" / "own.yaml"
    own.write_text(
        "# Ours.\nclasses: [a, b]\nscrape: {snapshot: '2026-11-20', opt_out: [b.example]}\n"
    )
    use(project, find_recipe(project, "own"), full=True)
    scrape = load_params(project).scrape
    assert (scrape.opt_out, scrape.exclude_ids) == (
        ("b.example", "a.example"),
        ("9f86d081884c7d65",),
    )


def test_command_prints_changes_and_next_step(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert run_pixmill("use", "digits", "--all") == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    first, *changes, last = output.splitlines()
    assert first == "params.yaml now has the values of the recipe 'digits'"
    assert "  split.image_size: 224 -> 28" in changes
    assert last == "Next: dvc repro"
    assert run_pixmill("use", "digits", "--all") == 0
    again = "params.yaml already has the values of the recipe 'digits'\nNext: dvc repro\n"
    assert capsys.readouterr().out == again


def test_command_keeps_classes_unless_all_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    before = load_params(project)
    assert run_pixmill("use", "digits") == 0
    output = capsys.readouterr().out
    assert "pixmill use digits --all" in output
    assert (load_params(project).classes, load_params(project).scrape) == (
        before.classes,
        before.scrape,
    )
    assert run_pixmill("use", "food", "--open") == 1
    assert capsys.readouterr().err.endswith("Next: pixmill use food --all --open\n")
    assert run_pixmill("use", "food", "--all", "--open") == 0
    assert load_params(project).sources() == ["openverse", "wikimedia"]


def test_command_lists_recipes(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "recipes" / "ours.yaml").write_text(
        "# Hats.\nclasses: [bowler, fedora]\n", encoding="utf-8"
    )
    (project / "artifacts").mkdir()
    monkeypatch.chdir(project / "artifacts")
    run_pixmill("use")
    lines = capsys.readouterr().out.splitlines()
    names = [recipe.name for recipe in find_recipes(project)]
    assert "ours" in names
    assert [line.split()[0] for line in lines] == [*names, "Next:"]
    assert lines[names.index("ours")] == "ours             Hats."
