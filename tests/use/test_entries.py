"""A params file is taken apart by key and put together again, comment for comment."""

from pathlib import Path

from pixmill.params import Params, parse_params
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
    found = entries(TEXT)
    assert list(found) == [
        *("classes", "scrape", "scrape.snapshot", "scrape.queries", "train", "train.cnn", "train.cnn.blocks"),
        "train.cnn.head",
    ]
    assert found["classes"].above == ("# What it is about.",)
    assert found["classes"].lines == ("classes:", "- coat", "# within", "- dress")
    assert found["scrape.queries"].lines[1:] == ("    coat: [winter coat]", "    dress:", "    - summer dress")
    assert found["train.cnn.blocks"].lines[2] == "      kernel: 5"


def test_the_keys_of_a_whole_file_are_those_of_the_schema() -> None:
    sections = {"scrape", "validate", "split", "train", "evaluate"}
    assert set(leaves()) >= {"classes", "scrape.queries", "validate.dark.share", "train.cnn.blocks", "train.patience"}
    found = entries((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert {name for name in found if name in set(leaves())} == set(leaves())
    assert {name.partition(".")[0] for name in leaves()} == sections | {"classes"}
    assert len(Params.model_fields) == len(sections) + 1
