import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.scrape.licences import FAMILIES, Licence, parse_licence, permits


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://creativecommons.org/licenses/by/2.0/", "CC BY 2.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/deed.en", "CC BY-NC-SA 3.0"),
        ("https://www.creativecommons.org/licenses/by-sa/3.0/de/legalcode", "CC BY-SA 3.0 DE"),
        ("//creativecommons.org/licenses/by-nd/4.0", "CC BY-ND 4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "Public Domain Mark 1.0"),
        ("https://creativecommons.org/licenses/publicdomain/", "Public Domain Mark"),
        ("CC BY 2.0", "CC BY 2.0"),
        ("cc-by-sa-3.0-de", "CC BY-SA 3.0 DE"),
        ("CC BY-SA 3.0 igo", "CC BY-SA 3.0 IGO"),
        ("by-nc-nd", "CC BY-NC-ND"),
        ("CC-BY-SA-3.0,2.5,2.0,1.0", "CC BY-SA"),
        ("Attribution-NonCommercial 2.0 Generic", "CC BY-NC 2.0"),
        ("Creative Commons Attribution-ShareAlike License", "CC BY-SA"),
        ("Attribution-ShareAlike 4.0 International", "CC BY-SA 4.0"),
        ("Attribution-NoDerivs 2.0", "CC BY-ND 2.0"),
        ("CC Zero 1.0", "CC0 1.0"),
        ("CC0", "CC0"),
        ("Public domain", "Public Domain Mark"),
        ("pdm 1.0", "Public Domain Mark 1.0"),
    ],
)
def test_parses_spellings_of_a_licence(text, name):
    assert str(parse_licence(text)) == name


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "All rights reserved",
        "MIT",
        "CC",
        "CC BY 2.0, CC BY-SA 3.0",
        "CC BY-SA 3.0 or GFDL",
        "CC BY 2.0 (all rights reserved)",
        "CC SA 1.0",
        "CC BY-ND-SA 4.0",
        "sampling+",
        "https://creativecommons.org.example.test/licenses/by/2.0/",
        "https://example.test/?creativecommons.org/licenses/by/2.0/",
        "https://creativecommons.org/",
        "https://[",
        "https://creativecommons.org/licenses/by-xx/2.0/",
    ],
)
def test_rejects_ambiguous_licences(text):
    assert parse_licence(text) is None
    assert permits(text, None)
    assert not permits(text, FAMILIES)


def test_permits_only_wanted_families():
    assert permits("https://creativecommons.org/licenses/by/2.0/", ["cc0", "by"])
    assert not permits("https://creativecommons.org/licenses/by-nc/2.0/", ["cc0", "by"])
    assert not permits("CC0", [])


@given(
    st.builds(
        Licence,
        st.sampled_from(FAMILIES),
        st.sampled_from(["1.0", "2.5", "4.0"]),
        st.sampled_from([None, "de", "jp"]),
    )
)
def test_parses_its_own_output(licence):
    assert parse_licence(str(licence)) == licence


@given(st.text())
def test_parses_any_text(text):
    assert parse_licence(text) is None or parse_licence(text).family in FAMILIES
