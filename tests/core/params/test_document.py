"""params.yaml is parsed as a whole, and wrong keys are named."""

import json
import unicodedata
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pixmill.core.errors import ParamsError
from pixmill.core.names import fold, is_label
from pixmill.core.params import (
    Params,
    SplitParams,
    flat,
    load_params,
    parse_overrides,
    parse_params,
)
from pixmill.core.params.document import edit_params
from pixmill.images.fit import ASPECTS
from pixmill.images.formats import EXTENSIONS

COMMITTED = (Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8")
DEFAULTS = parse_params("classes: [coat, dress]\nscrape: {snapshot: '2026-11-20'}")
# Not the committed file: its values are people's to change.
TEXT = yaml.safe_dump(DEFAULTS.model_dump(mode="json", by_alias=True), sort_keys=False)
NOT_LABELS = (
    "expected names of at most 200 visible characters without spaces at their ends, in quotes if "
    "YAML reads them as something else, received"
)


def edited(before: str, after: str) -> str:
    assert before in TEXT
    return TEXT.replace(before, after, 1)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            "epochs: 30",
            "epochs: many",
            "train.epochs: expected a whole number from 1 to 100,000, received 'many'",
        ),
        ("test: 0.2", "test: 1.5", "split.test: expected a number > 0 and < 1, received 1.5"),
        (
            "learning_rate: 0.001",
            "learning_rate: .nan",
            "train.learning_rate: expected a number > 0 and <= 100, received nan",
        ),
        (
            "flip: true",
            "flip: yes",
            "train.augmentation.flip: expected true or false, received 'yes'",
        ),
        (
            "source: shop",
            "source: [bing, gogle]",
            "scrape.source: expected one of shop, folder, urls, keras, openverse, wikimedia, "
            "google, bing, yahoo, amazon, site:<name> or plugin:<name>, received 'gogle'; did you "
            "mean google?",
        ),
        (
            "source: shop",
            "source: [bing, bing]",
            "scrape.source: expected each source once, received bing, bing",
        ),
        (
            "queries: {}",
            "queries: {hat: [a]}",
            "scrape.queries: expected names among classes, received 'hat'",
        ),
        (
            "queries: {}",
            "queries: {coat: a}",
            "scrape.queries.coat: expected a list of at least 1 item, each a string, received 'a'",
        ),
        (
            "allow_hosts: []",
            "allow_hosts: [intranet]",
            (
                "scrape.allow_hosts.0: expected a host name with its port, such as "
                "'example.org:8080', received 'intranet'"
            ),
        ),
        (
            "contact: null",
            "contact: me",
            "scrape.contact: expected an e-mail address or a URL or null, received 'me'",
        ),
        (
            "licences: null",
            "licences: [gpl]",
            (
                "scrape.licences.0: expected one of cc0, pdm, by, by-sa, by-nc, by-nd, by-nc-sa, "
                "by-nc-nd, received 'gpl'"
            ),
        ),
        (
            "snapshot: '2026-11-20'",
            "snapshot: now",
            "scrape.snapshot: expected a date in quotes, 'YYYY-MM-DD', received 'now'",
        ),
        ("- coat", r'- "a\tb"' + "\n- 3\n- ' c'", f"classes: {NOT_LABELS} 'a\\tb', 3, ' c'"),
        ("- coat", r'- "a\u202eb"', f"classes: {NOT_LABELS} 'a\\u202eb'"),
        ("- coat", f"- {'x' * 201}", f"classes: {NOT_LABELS} '{'x' * 37}...{'x' * 38}'"),
        (
            "- coat\n- dress",
            "- a\n- a",
            "classes: expected distinct names, received 'a' more than once",
        ),
        (
            "critical: 0.1",
            "critical: 0.3",
            "validate.class_balance: expected critical <= warning (0.2), received 0.3",
        ),
        (
            "window: auto",
            "window: [9, 9]",
            "validate: expected window: [black, white] with black < white, received [9.0, 9.0]",
        ),
        (
            "- dress",
            "- Coat",
            (
                "classes: expected distinct names, received 'Coat' and 'coat', which are equal on "
                "some systems"
            ),
        ),
        (
            "- coat",
            "- Unlabelled",
            (
                "classes: expected names other than unlabelled (images without a label), received "
                "'Unlabelled'"
            ),
        ),
        (
            "test: 0.2",
            "test: 0.9",
            "split: expected val + test < 1, so that images are left for training, received 1.05",
        ),
        (
            "- filters: 16",
            "- kernal: 3\n      filters: 16",
            "train.cnn.blocks.0.kernal: unknown key; did you mean kernel?",
        ),
        (
            "dense: []",
            "dense: [dropuot]",
            (
                "train.backbone.dense.0: expected a section with the keys units, dropout, received "
                "'dropuot'"
            ),
        ),
        (
            "queries: {}",
            "3: x",
            "scrape.3: unknown key, expected one of source, source_by_class, queries, snapshot, "
            "per_class, per_query, expect_at_least, tolerate, thumbnails, licences, folder, urls, "
            "keras, contact, rate, robots_exceptions, opt_out, exclude_authors, exclude_ids, "
            "allow_hosts, browsers, connections, per_host, timeout, max_bytes",
        ),
        (
            "unfreeze: 0",
            "unfreeze: most",
            (
                "train.backbone.unfreeze: expected a whole number from 0 to 10,000 or all, "
                "received "
                "'most'"
            ),
        ),
        (
            "weights: imagenet",
            "weights: ''",
            (
                "train.backbone.weights: expected a non-empty string of at most 1,000 characters, "
                "received ''"
            ),
        ),
        *(
            (
                "unlabelled: null",
                f"unlabelled: {folder}",
                (
                    "evaluate.unlabelled: expected a folder below data/, such as data/unlabelled, "
                    f"received {folder!r}"
                ),
            )
            for folder in ("photos", "data/", "/data/photos", "data/../photos")
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(before: str, after: str, line: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        parse_params(edited(before, after))
    assert refusal.value.message == line
    assert refusal.value.next == "edit params.yaml, then: pixmill doctor --quick"


@pytest.mark.parametrize("names", [("café", "cafe\u0301"), ("straße", "STRASSE"), ("Ünï", "ünï")])
def test_names_that_look_alike_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(ParamsError, match=r"^classes: expected distinct names"):
        parse_params(f"{{classes: {json.dumps(names)}, scrape: {{snapshot: '2026-11-20'}}}}")


def test_names_are_composed_wherever_they_stand() -> None:
    apart = "cafe\u0301"
    scrape = (
        f"{{snapshot: '2026-11-20', queries: {{{apart}: [a]}}, urls: {{classes: {{{apart}: "
        f"[b]}}}}}}"
    )
    params = parse_params(f"{{classes: [{apart}, dress], scrape: {scrape}}}")
    assert params.classes == ("café", "dress")
    assert (list(params.scrape.queries), list(params.scrape.urls.classes)) == (["café"], ["café"])
    longest = "e\u0301" * 64
    params = parse_params(f"{{classes: [dress, {longest}], scrape: {{snapshot: '2026-11-20'}}}}")
    assert params.classes[1] == "é" * 64


@given(
    st.text(
        st.characters(exclude_categories=("Cc", "Cn", "Cs", "Zl", "Zp")), min_size=1, max_size=200
    )
)
@example("Corn_(maize)___healthy")
@example("a: #b | - {c} [d] & *e !f %g `h` 'i' \"j\"")
@example("null")
@example("train")
def test_any_printable_label_survives_an_edit_of_params(label: str) -> None:
    label = unicodedata.normalize("NFC", label.strip())
    # ruamel.yaml writes ?x without quotes but does not read it, so edit_params refuses such a
    # label.
    assume(
        is_label(label) and label[0] != "?" and fold(label) not in {"coat", "dress", "unlabelled"}
    )
    params = parse_params("classes: [coat, dress]\nscrape:\n  snapshot: '2026-11-20'\n")
    wanted = params.changed({"classes": [label, "dress"], "scrape.queries": {label: ["a"]}})
    written = edit_params(
        "classes: [coat, dress]\nscrape:\n  snapshot: '2026-11-20'\n", wanted, otherwise=""
    )
    assert parse_params(written).classes == (label, "dress")
    assert [*parse_params(written).scrape.queries] == [label]


def test_an_unknown_key_of_a_range_names_those_that_there_are() -> None:
    space = "sweep: {space: {train.learning_rate: {low: 0.001, high: 0.1, step: 2}}}"
    with pytest.raises(
        ParamsError, match=r"learning_rate\.step: unknown key, expected one of low, high"
    ):
        parse_params(f"{{classes: [a, b], scrape: {{snapshot: '2026-11-20'}}, {space}}}")


def test_each_wrong_key_gets_its_own_line() -> None:
    text = edited("epochs: 30", "epochs: many").replace("test: 0.2", "test: 2", 1)
    with pytest.raises(ParamsError) as refusal:
        parse_params(text)
    assert [line.split(":")[0] for line in refusal.value.message.splitlines()] == [
        "split.test",
        "train.epochs",
    ]


def test_numbers_and_names_mean_what_dvc_reads() -> None:
    params = parse_params(
        edited("learning_rate: 0.001", "learning_rate: 1e-3").replace("- coat", "- no", 1)
    )
    assert params.train.learning_rate == 0.001
    assert params.classes[0] == "no"


def test_formats_and_aspects_are_those_that_images_have() -> None:
    assert DEFAULTS.validate.formats.allowed == tuple(EXTENSIONS)
    assert get_args(SplitParams.model_fields["aspect"].annotation) == ASPECTS


def test_the_committed_file_fits_on_a_screen_and_has_every_section() -> None:
    assert len(COMMITTED.splitlines()) <= 80
    sections = Params.model_json_schema()["properties"].keys()
    # Only projects of several labels have `task`.
    assert yaml.safe_load(COMMITTED).keys() == sections - {"task"}
    changed = {
        name
        for name, value in flat(parse_params(COMMITTED)).items()
        if flat(DEFAULTS).get(name) != value
    }
    # It sets a few keys; all others have their defaults.
    assert changed <= {"classes", "scrape.snapshot"}


def test_dvc_edits_the_committed_file_without_losing_a_comment(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_text(COMMITTED, encoding="utf-8")
    # DVC puts a new list in an old one's place, and what stands behind the old one goes with it: no
    # comment must.
    apply_overrides(
        path, ["train.cnn.blocks=[{filters:8},{filters:16,kernel:5}]", "train.epochs=3"]
    )
    apply_overrides(
        path, ["train.cnn.dense=[{units:64}]", "classes=[coat,dress]", "scrape.source=[bing,yahoo]"]
    )
    apply_overrides(path, ["train.cnn.blocks.0.filters=4", "++validate.formats.allowed=[png,jpeg]"])
    comments = [
        [line.partition("#")[2] for line in text.splitlines()]
        for text in (COMMITTED, path.read_text("utf-8"))
    ]
    assert [text for text in comments[0] if text] == [text for text in comments[1] if text]
    train = load_params(tmp_path).train
    assert [(block.filters, block.kernel) for block in train.cnn.blocks] == [(4, 3), (16, 5)]
    assert [dense.units for dense in train.cnn.dense] == [64]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("train.epochs", "3", 3),
        ("train.learning_rate", "1e-4", 0.0001),
        ("split.salt", "007", "007"),
        ("scrape.snapshot", "2026-12-01", "2026-12-01"),
        ("train.augmentation.flip", "false", False),
        ("train.cnn.blocks.1.filters", "48", 48),
    ],
)
def test_an_override_becomes_what_the_file_would_hold(params, name, text, value):
    assert parse_overrides(params, {name: text}) == {name: value}
    assert type(parse_overrides(params, {name: text})[name]) is type(value)


def test_every_number_has_an_upper_bound() -> None:
    from pixmill.core.params.reference import reference

    numbers = [
        item for item in reference() if item.expected.startswith(("a number", "a whole number"))
    ]
    assert [
        item.name for item in numbers if " to " not in item.expected and "<" not in item.expected
    ] == []


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
)


@settings(max_examples=10)
@given(
    st.sampled_from(
        ["classes", "scrape", "validate", "split", "train", "evaluate", "train.cnn", "train.epochs"]
    ),
    documents,
)
def test_nothing_but_a_refusal_ever_comes_of_a_wrong_file(name: str, value: object) -> None:
    content = yaml.safe_load(TEXT)
    *sections, key = name.split(".")
    owner = content
    for section in sections:
        owner = owner[section]
    owner[key] = value
    message = ""
    try:
        parse_params(yaml.safe_dump(content))
    except ParamsError as refusal:
        message = refusal.message
    starts = (name.split(".")[0], "params.yaml")
    assert all(line.startswith(starts) for line in message.splitlines())


SEVERAL = "task: labels\nclasses: [dark, long]\nscrape: {snapshot: '2026-11-20'}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {augmentation: {mix: mixup}}", r"train\.augmentation\.mix: "),
        ("train: {labels: {threshold: {drak: 0.3}}}", r"train\.labels\.threshold: .*'drak'"),
        ("train: {labels: {threshold: {dark: 30}}}", r"train\.labels\.threshold\.dark: .* 30\n"),
    ],
)
def test_settings_fit_several_labels(text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=f"^{message}"):
        parse_params(SEVERAL + text)


def test_images_of_one_label_may_be_mixed() -> None:
    text = SEVERAL.replace("task: labels", "") + "train: {augmentation: {mix: mixup}}"
    assert parse_params(text).train.augmentation.mix == "mixup"


def test_the_answer_without_labels_is_no_label() -> None:
    with pytest.raises(ParamsError, match=r"^classes: 'none of these'"):
        parse_params(SEVERAL.replace("dark", "none of these"))
