"""A params file is read as DVC reads it, or refused with its line and the next command."""

from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.errors import ParamsError
from pixmill.core.params import load_params, parse_params, parse_yaml, read_text
from pixmill.core.params.yaml_text import set_values

VALID = "classes: [coat, dress]\nscrape: {snapshot: '2026-11-20'}\n"

AGREED = {
    "exponent without a point": "a: 1e-3",
    "words of YAML 1.1": "a: [no, yes, on, off, y, 12:30]",
    "YAML 1.1 by its directive": "%YAML 1.1\n---\na: [no, 12:30]",
    "anchor": "a: &x [1]\nb: *x",
    "merge key": "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3",
    "byte order mark": "\ufeffa: 1",
    "Windows line ends": "a: 1\r\nb: |\r\n  x\r\n  y\r\n",
    "a date": "a: 2026-11-20",
    "keys that are no text": "1: a\nnull: b\n2.5: c",
    "any script": "a: [🧥, 𠮷野家, '\\x']",
}


@pytest.mark.parametrize("text", AGREED.values(), ids=AGREED)
def test_dvc_reads_the_same_values(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode())
    assert parse_yaml(read_text(path)) == load_yaml(path)


def test_dvc_reads_the_committed_file_and_all_recipes_alike(repository: Path) -> None:
    for path in (repository / "params.yaml", *(repository / "recipes").glob("*.yaml")):
        assert parse_yaml(read_text(path)) == load_yaml(path), path


@settings(max_examples=25)
@given(st.text(alphabet="ab01_.eE+-:~!&*<>[]{}#|'\" \n\t?%", max_size=40))
def test_any_text_is_read_as_by_dvc_or_refused(text: str) -> None:
    from dvc.utils.serialize import parse_yaml as parse_as_dvc

    try:
        content = parse_yaml(text)
    except ParamsError:
        return
    assert repr(content or {}) == repr(parse_as_dvc(text, "params.yaml"))


REFUSED = {
    "template": (
        "train: {epochs: {{ epochs }}}",
        "found unhashable key; {{ }} looks like an unfilled template",
    ),
    "wrong tag": ("train: {epochs: !!int abc}", "invalid literal for int"),
    "Python object": (
        "a: !!python/object:os.system x",
        "in line 3, column 4: could not determine a constructor",
    ),
    "tab": ("train:\n\tepochs: 3", "in line 4, column 1: found character '\\t'"),
    "duplicate key": ("scrape: {}", 'in line 3, column 1: found duplicate key "scrape"'),
    "two documents": ("---\na: 1", "in line 3, column 1: but found another document"),
    "nesting": ("a: " + 500 * "[", "received lists nested too deeply"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_dvc_stumbles_over_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ParamsError) as error:
        parse_params(VALID + text)
    assert error.value.message.startswith("params.yaml: expected ")
    assert problem in error.value.message
    assert "\n" not in error.value.message
    assert str(error.value).isascii()
    assert error.value.next == "edit params.yaml, then: pixmill doctor --quick"


SET = {
    "comma at the end": ("a: {b: 1, # one\n}\n", {"b": 2, "d": 3}, "a: {b: 2, d: 3, # one\n}\n"),
    "comment in a map": ("a: {b: 1 # one\n}\n", {"b": 2, "d": 3}, "a: {b: 2, d: 3 # one\n}\n"),
    "folded text": (
        "a:\n  b: >\n    x\n    y\n  # c\n  c: 1\n",
        {"b": "z"},
        "a:\n  b: z\n  # c\n  c: 1\n",
    ),
    "after folded text": (
        "a:\n  b: >\n    x\n\n# c\nc: 1\n",
        {"d": 2},
        "a:\n  b: >\n    x\n  d: 2\n\n# c\nc: 1\n",
    ),
    "quoted key": ("a:\n  'b: c': 1  # one\n", {"b: c": 2}, "a:\n  'b: c': 2  # one\n"),
    "quoted key in a map": (
        "a: {'b: c': 1}\n",
        {"b: c": 2, "d: e": 3},
        "a: {'b: c': 2, 'd: e': 3}\n",
    ),
}


@pytest.mark.parametrize(("text", "values", "after"), SET.values(), ids=SET)
def test_values_are_set_in_any_layout(text: str, values: dict[str, object], after: str) -> None:
    assert set_values(text, {"a": values}) == after


@pytest.mark.parametrize("text", ["", "# nothing", "3", "- a", "%YAML 1.3\n---\na: 1"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ParamsError, match=r"^params\.yaml: expected"):
        parse_params(text)


def test_a_date_without_quotes_is_refused() -> None:
    with pytest.raises(
        ParamsError, match=r"expected a date in quotes, .* received 2026-11-20 without quotes"
    ):
        parse_params(VALID.replace("'", ""))


def test_half_of_a_character_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"^split\.salt: expected a string"):
        parse_params(VALID + 'split: {salt: "\\uD800"}')


def test_aliases_that_multiply_cost_no_time() -> None:
    levels = [
        f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 12)
    ]
    text = "\n".join(["l0: &l0 x", *levels, VALID.replace("[coat, dress]", "*l11")])
    for bomb in (text, VALID.replace("[coat, dress]", "&a [*a, *a]")):
        with pytest.raises(
            ParamsError, match=r"aliases that expand to more than 50,000 values, or to themselves"
        ):
            parse_params(bomb)
    assert parse_params(f"{VALID}train: {{epochs: &n 3, batch_size: *n}}\n").train.batch_size == 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            VALID.encode() + b"# caf\xe9",
            r"expected UTF-8, received the byte 0xe9 in line 3\nNext: save .* as UTF-8",
        ),
        (VALID.encode("utf-16"), "expected UTF-8, received the byte 0xff in line 1"),
        (VALID.encode() + b"#" * 2**20, "is larger than 1 MiB"),
    ],
    ids=["Latin-1", "UTF-16", "too large"],
)
def test_bytes_that_are_no_params_file_are_refused(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(ParamsError, match=problem):
        load_params(tmp_path)
