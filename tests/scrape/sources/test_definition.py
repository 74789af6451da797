"""Site descriptions: loading and validation."""

import re
import textwrap

import pytest
import yaml

from pixmill.core.errors import ScrapeError
from pixmill.scrape.sources.definition import SiteDefinition, load_site, parse_site

VALID = """\
name: tiny
version: 1
checked: 2026-11-20
url: https://tiny.test/{slug}?q={query}
selectors:
  item: [".card"]
"""


def parse(more="", without=""):
    text = "".join(
        line
        for line in VALID.splitlines(keepends=True)
        if not without or not line.startswith(without)
    )
    return parse_site(text + more, source="sites/tiny.yaml")


@pytest.mark.parametrize("name", ["amazon", "bing", "google", "shop", "yahoo"])
def test_bundled_sites_are_valid(name, tmp_path):
    site = load_site(name, tmp_path)
    assert site.name == name
    assert site.states.empty.selectors or site.states.empty.texts


def test_the_project_overrides_bundled_files(tmp_path):
    (tmp_path / "amazon.yaml").write_text(VALID)
    assert load_site("amazon", tmp_path).name == "tiny"
    assert load_site("amazon", tmp_path / "elsewhere").name == "amazon"


def test_an_unknown_site(tmp_path):
    with pytest.raises(
        ScrapeError,
        match=(
            r"no site 'myshop': .*myshop\.yaml is missing, and Pixmill bundles only amazon, "
            r"bing, .*"
        ),
    ) as error:
        load_site("myshop", tmp_path)
    assert f"shop.yaml {tmp_path / 'myshop.yaml'}, then edit" in error.value.next


def test_texts_stay_strings():
    site = parse("more: {texts: [no, '1e3']}\nsettings: {pause: [0, 1], smooth: false, most: 7}\n")
    assert site.more.texts == ("no", "1e3")
    assert (site.settings.pause, site.settings.smooth, site.settings.most) == ((0, 1), False, 7)
    assert site.checked == "2026-11-20"


def test_addresses_of_queries_and_pages():
    site = parse("offset: {parameter: page}\n")
    assert (
        site.address("Blue Jeans & co.") == "https://tiny.test/blue-jeans-co?q=Blue+Jeans+%26+co."
    )
    first = site.address("साड़ी")
    assert first.endswith("?q=%E0%A4%B8%E0%A4%BE%E0%A4%A1%E0%A4%BC%E0%A5%80")
    assert site.offset.address(first, 2) == f"{first}&page=3"
    assert site.offset.address(f"{first}&page=1", 2) == f"{first}&page=3"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://tiny.test/category/{slug}/", "https://tiny.test/category/straw-hats-caps/"),
        (
            "https://tiny.test/{query}/all?q={query}",
            "https://tiny.test/Straw%20hats%2Fcaps/all?q=Straw+hats%2Fcaps",
        ),
    ],
)
def test_encodes_queries_in_paths(url, address):
    site = parse(f"url: {url}\n", "url")
    assert site.address("Straw hats/caps") == address


@pytest.mark.parametrize(
    ("shown", "original"),
    [
        ("I/81ab._AC_UL320_.jpg", "I/81ab.jpg"),
        ("I/81ab.jpg_BO30,255,255,255_UL960_QL65_.jpg", "I/81ab.jpg"),
        (
            "I/B1._CLa%7C2140,2000%7CA1.png%7C0,0_AC_UL960_.png",
            "I/B1._CLa%7C2140,2000%7CA1.png%7C0,0_AC_UL960_.png",
        ),
        ("I/81ab.jpg", "I/81ab.jpg"),
    ],
)
def test_removes_sizes_from_amazon_urls(shown, original):
    host = "https://m.media-amazon.com/images/"
    assert load_site("amazon", None).original(f"{host}{shown}") == f"{host}{original}"


@pytest.mark.parametrize(
    ("more", "without", "message"),
    [
        ("", "version", r"version: expected .*, received nothing"),
        ("caption: x\n", "", r"caption: unknown key, expected one of name, .*"),
        ("settings: {pace: 3}\n", "", r"settings\.pace: unknown key; did you mean pause\?"),
        (
            "settings: {most: many}\n",
            "",
            r"settings\.most: expected a whole number >= 1, received 'many'",
        ),
        (
            "rewrite: [{pattern: '(', replacement: x}]\n",
            "",
            r"rewrite\.0\.pattern: expected a regular expression.*",
        ),
        (
            "url: ftp://x/{query}\n",
            "url",
            r".*expected url to be .* address with \{query\} or \{slug\} in it.*",
        ),
        ("name: ../x\n", "name", r"name: expected .*, received '\.\./x'"),
        ("script: state\n", "", r"script: expected one of bing, .*tiles.*, received 'state'"),
        ("checked: today\n", "checked", r"checked: expected a date.*received 'today'"),
        ("name: other\n", "", r"expected YAML, .* duplicate key .name."),
        ("end: .x\n", "", r"end: expected .*list.*received '\.x'"),
        ("]\n", "", r"expected YAML, received an error.*"),
    ],
)
def test_errors_name_file_and_key(more, without, message):
    with pytest.raises(ScrapeError, match=rf"^sites/tiny\.yaml: {message}") as error:
        parse(more, without)
    assert error.value.next == "edit sites/tiny.yaml"


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ("{item: .card}", r"selectors\.item: expected a list of at least 1 item"),
        ("{key: ['@id']}", r"expected selectors\.item, which finds the results"),
        ("{item: [.card], titel: [h3]}", "expected selectors for item, key, .*, received titel"),
    ],
)
def test_rejects_wrong_selectors(selectors, message):
    text = VALID.partition("selectors:")[0] + f"selectors: {selectors}\n"
    with pytest.raises(ScrapeError, match=message):
        parse_site(text, source="sites/tiny.yaml")


def test_detail_needs_a_link():
    detail = "detail: {image: ['#photo']}\n"
    with pytest.raises(ScrapeError, match=r"detail needs selectors\.link"):
        parse(detail)
    text = VALID.replace('item: [".card"]', 'item: [".card"]\n  link: ["a@href"]') + detail
    assert parse_site(text, source="sites/tiny.yaml").detail.image == ("#photo",)


def test_documentation_has_a_valid_example_of_every_key(repository):
    page = (
        (repository / "docs/reference/sources.md")
        .read_text(encoding="utf-8")
        .partition("## A site of your own")[2]
    )
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    keys = {key for row in rows for key in re.findall(r"`(\w+)(?:\.\w+)?`", row[0])}
    assert keys >= set(SiteDefinition.model_fields)
    walk = [textwrap.dedent(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert parse_site("".join(walk), source="docs").detail.image == (
        "#product_gallery .active img",
    )
    for row in rows:
        names = re.findall(r"`([\w.]+)`", row[0])
        examples = re.findall(r"`([^`]+)`", row[-1])
        for name, example in zip(
            names, examples * (len(names) if len(examples) == 1 else 1), strict=True
        ):
            given = yaml.safe_load(textwrap.dedent("".join(walk)))
            section, _, key = name.partition(".")
            target = given.setdefault(section, {}) if key else given
            target[key or section] = yaml.safe_load(example)
            assert parse_site(yaml.safe_dump(given), source="docs").name == "hats"


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]"])
def test_rejects_other_yaml(text):
    with pytest.raises(ScrapeError, match=r"sites/tiny\.yaml: expected keys, received"):
        parse_site(text, source="sites/tiny.yaml")
