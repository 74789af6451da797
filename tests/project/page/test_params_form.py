"""The form of the params checks, saves with comments, and restores."""

from pathlib import Path

import pytest

from pixmill.core.errors import ParamsError
from pixmill.core.params import load_params
from pixmill.project.page.params_form import ParamsForm

TEXT = """\
# my params
classes: [cat, dog]     # two

scrape: {snapshot: '2026-11-20', source: folder}
validate:
  min_per_class:
    count: 30
train:
  model: features  # the quick one
  learning_rate: 0.001
  cnn: {blocks: [{filters: 8}]}
compare:
  min: {accuracy: 0.8}
sweep:
  trials: 50
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_bytes(TEXT.replace("\n", "\r\n").encode())
    return tmp_path


def save(form: ParamsForm, **values: str) -> None:
    given = {name.replace("__", "."): text for name, text in values.items()}
    form.save(form.document()["digest"], given)


def text(root: Path) -> str:
    return (root / "params.yaml").read_bytes().decode()


def test_fields_are_those_of_the_file_that_apply(root: Path) -> None:
    form = ParamsForm(root)
    fields = {field["name"]: field for field in form.document()["params"]}
    assert {"classes", "train.model", "sweep.trials"} <= fields.keys()
    assert not {"train.learning_rate", "train.cnn.blocks", "validate.max_pixels"} & fields.keys()
    save(form, train__model="cnn", train__target_accuracy="0.9")  # the latter is offered
    fields = {field["name"]: field for field in form.document()["params"]}
    assert {"train.learning_rate", "train.cnn.blocks"} <= fields.keys()
    assert fields["train.target_accuracy"]["text"] == "0.9"
    assert "backbone" in fields["train.model"]["choices"]
    assert (fields["train.learning_rate"]["text"], fields["train.learning_rate"]["is_number"]) == (
        "0.001",
        True,
    )
    assert fields["scrape.source"]["choices"] == []  # also a list


def test_saved_values_keep_comments_and_are_undone(root: Path) -> None:
    form = ParamsForm(root)
    before = text(root)
    save(
        form,
        train__learning_rate="0.01",
        sweep__trials="9",
        classes="[cat, dog, owl]",
        scrape__snapshot="2026-12-01",
    )
    expected = (
        TEXT.replace("0.001", "0.01")
        .replace("50", "9")
        .replace("dog]     #", "dog, owl] #")
        .replace("-11-20", "-12-01")
    )
    assert text(root) == expected
    save(form, train__cnn__blocks="[{filters: 16}, {filters: 8}]")
    assert [block.filters for block in load_params(root).train.cnn.blocks] == [16, 8]
    form.undo()
    assert text(root) == expected
    assert form.can_undo
    form.undo()
    assert text(root) == before
    assert not form.can_undo
    with pytest.raises(ParamsError):
        form.undo()


def test_a_section_whose_name_is_taken_in_python_is_saved(root: Path) -> None:
    save(ParamsForm(root), validate__min_per_class__count="10")
    assert load_params(root).validate.min_per_class.count == 10


def test_recipes_are_taken_and_undone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = ParamsForm(root)
    before = text(root)
    found = form.document()
    assert found["recipe"] == "fast"
    form.use(found["digest"], "best")
    assert form.document()["recipe"] == "best"
    assert load_params(root).classes == ("cat", "dog")
    with pytest.raises(ParamsError, match="changed elsewhere"):
        form.use(found["digest"], "fast")
    monkeypatch.setattr("pixmill.project.recipes.recipe.find_spec", lambda _: None)
    with pytest.raises(ParamsError) as caught:
        form.use(form.document()["digest"], "strong")
    assert "hub" in (caught.value.next or "")
    form.undo()
    assert (text(root), form.can_undo) == (before, False)


def test_unchanged_values_write_nothing(root: Path) -> None:
    form = ParamsForm(root)
    before = text(root)
    save(form, train__learning_rate="1e-3")
    assert (text(root), form.can_undo) == (before, False)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"train.learning_rate": "0.01"}, set()),
        ({"train.learning_rate": "fast", "train.model": "features"}, {"train.learning_rate"}),
        ({"train.learning_rate": "[", "sweep.trials": "0"}, {"train.learning_rate"}),
        (
            {"train.cnn.blocks": "[{filters: 0}]", "sweep.trials": "0"},
            {"train.cnn.blocks", "sweep.trials"},
        ),
        ({"classes": "[cat, unlabelled]"}, {"classes"}),
    ],
)
def test_errors_are_those_of_the_parser(
    values: dict[str, str], names: set[str], root: Path
) -> None:
    form = ParamsForm(root)
    errors = form.check(values)
    assert errors.keys() == names
    if names:
        with pytest.raises(ParamsError):
            form.save(form.document()["digest"], values)
    assert not form.can_undo


def test_params_that_the_file_does_not_set_are_refused(root: Path) -> None:
    for name in ("train.epochs", "classes.0", "train.learning_rate.x", "nothing"):
        with pytest.raises(ParamsError, match="does not set it"):
            ParamsForm(root).check({name: "1"})


def test_edits_of_others_are_kept(root: Path) -> None:
    form = ParamsForm(root)
    digest = form.document()["digest"]
    save(form, sweep__trials="9")
    with pytest.raises(ParamsError, match="changed elsewhere"):
        form.save(digest, {"train.learning_rate": "0.01"})
    (root / "params.yaml").write_text(text(root) + "# mine\n")
    with pytest.raises(ParamsError, match="changed elsewhere"):
        form.undo()
    assert text(root).endswith("trials: 9\n# mine\n")
