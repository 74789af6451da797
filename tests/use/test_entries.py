"""A params file is taken apart by key and put together again, comment for comment."""

from pathlib import Path

from pixmill.core.params import Params, parse_params
from pixmill.use.entries import entries, leaves, text_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = """\
# What it is about.
classes:
- coat
# within
- dress

scrape:
  # When.
  snapshot: '2026-11-20'
  queries:
    coat: [winter coat]
    dress:
    - summer dress
train:
  cnn:
    blocks:
    - filters: 8
      kernel: 5
    - {filters: 16}
    head: average
"""


def test_a_file_is_put_together_as_it_was() -> None:
    for path in (ROOT / "params.yaml", *(ROOT / "recipes").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert text_of(entries(text)) == text, path
    assert text_of(entries(TEXT)) == TEXT


def test_a_value_of_several_lines_belongs_to_its_key() -> None:
    parse_params(TEXT)
    parts = entries(TEXT)
    assert list(parts) == [
        *("classes", "scrape", "scrape.snapshot", "scrape.queries", "train", "train.cnn", "train.cnn.blocks"),
        "train.cnn.head",
    ]
    assert parts["classes"].above == ("# What it is about.",)
    assert parts["classes"].lines == ("classes:", "- coat", "# within", "- dress")
    assert parts["scrape.queries"].lines[1:] == ("    coat: [winter coat]", "    dress:", "    - summer dress")
    assert parts["train.cnn.blocks"].lines[2] == "      kernel: 5"


def test_sections_in_braces_and_the_last_comments_are_kept() -> None:
    text = "classes: [a, b]\n\nscrape: {snapshot:\n  '2026-11-20'}  # today\nsplit:\n  val: 0.1\n# the end\n\n"
    assert list(entries(text)) == ["classes", "scrape", "split", "split.val"]
    assert text_of(entries(text)) == text


def test_the_keys_of_a_whole_file_are_those_of_the_schema() -> None:
    sections = {"scrape", "validate", "split", "train", "evaluate"}
    assert set(leaves()) >= {"classes", "scrape.queries", "validate.dark.share", "train.cnn.blocks", "train.patience"}
    parts = entries((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert {name for name in parts if name in set(leaves())} == set(leaves())
    assert {name.partition(".")[0] for name in leaves()} == sections | {"classes"}
    assert len(Params.model_fields) == len(sections) + 1
