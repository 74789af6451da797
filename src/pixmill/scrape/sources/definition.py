"""The files that describe sites: where results are, what other pages look like, and how to go through them."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pixmill.core.errors import ParamsError, ScrapeError
from pixmill.core.params import parse_yaml
from pixmill.core.params.refusal import refusals

CARD_SELECTORS = ("item", "key", "image", "link", "title", "price")
"""What ``tiles.js``, the script for sites without one of their own, looks for."""


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression, received {text!r} ({error})") from None
    return text


Text = Annotated[str, Field(min_length=1)]
Pattern = Annotated[Text, AfterValidator(_pattern)]
Texts = tuple[Text, ...]
Patterns = tuple[Pattern, ...]
Seconds = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    """A part of a site's definition: frozen, with no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Buttons(_Part):
    """Name buttons, by CSS and by the words on them, in order of preference.

    Args:
        selectors: CSS selectors.
        texts: The whole of what stands on them, in the language that the URL asks for; upper and lower case are one.
    """

    selectors: Texts = ()
    texts: Texts = ()


class Markers(_Part):
    """Tell a kind of page by what is on it; any one of them is enough.

    Args:
        urls: Regular expressions, searched for in the page's address.
        selectors: CSS selectors that find something.
        texts: Words in the title or in the visible text; believed only where the page shows no result, since a result
            may be called anything.
    """

    urls: Patterns = ()
    selectors: Texts = ()
    texts: Texts = ()


class States(_Part):
    """Tell a page of results from what a site may show in its place.

    Args:
        captcha: It asks for a proof of being human.
        blocked: It refuses programs, or asks for a pause.
        consent: It asks for a consent first.
        empty: It says that there are no results.
        shell: A page of scripts that draws nothing; believed only where there is next to no visible text.
    """

    captcha: Markers = Markers()
    blocked: Markers = Markers()
    consent: Markers = Markers()
    empty: Markers = Markers()
    shell: Markers = Markers()


class Offset(_Part):
    """Count pages in a parameter of the URL, where a site has no link to the next one.

    Args:
        parameter: Its name.
        first: Its value for the first page.
        step: By how much it grows from page to page.
    """

    parameter: Text
    first: Annotated[int, Field(ge=0)] = 1
    step: Annotated[int, Field(ge=1)] = 1

    def address(self, url: str, number: int) -> str:
        """Return the URL of a page.

        Args:
            url: That of the first one.
            number: How many pages come before it.
        """
        parts = urlsplit(url)
        others = [(name, value) for name, value in parse_qsl(parts.query, True) if name != self.parameter]
        counted = [*others, (self.parameter, str(self.first + number * self.step))]
        return urlunsplit(parts._replace(query=urlencode(counted)))


class Detail(_Part):
    """Find the image on the page of a result, which ``selectors.link`` leads to.

    Args:
        image: Selectors of the image; of a link or a meta tag with ``@name``.
    """

    image: Annotated[Texts, Field(min_length=1)]


class Rewrite(_Part):
    r"""Turn the address of a small image into that of its original.

    Args:
        pattern: A regular expression that is searched for in the address.
        replacement: What comes in its place (``\1`` for a group).
        unless: Addresses in which this is found stay as they are.
    """

    pattern: Pattern
    replacement: str
    unless: Pattern | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            re.compile(self.pattern).sub(self.replacement, "")
        except (re.error, IndexError) as error:
            raise ValueError(
                f"expected a replacement for {self.pattern!r}, received {self.replacement!r} ({error})"
            ) from None
        return self


class BrowsingSettings(_Part):
    """Set the pace at which pages are gone through, and the limits.

    Args:
        pause: Seconds between two looks, drawn at random between the two.
        smooth: Whether scrolling glides, as a person's does.
        patience: Seconds that a page which stands still may take to go on; a quarter of it before each of four nudges.
        most: The most results of one query.
        longest: Seconds after which a query is ended in any case.
    """

    pause: tuple[Seconds, Seconds] = (0.3, 0.9)
    smooth: bool = True
    patience: Annotated[float, Field(gt=0)] = 8.0
    most: Annotated[int, Field(ge=1)] = 10_000
    longest: Annotated[float, Field(gt=0)] = 900.0


class SiteDefinition(_Part):
    """A site of results.

    Selectors are CSS; one that ends in ``@name`` means that attribute of what it finds (``img@alt``), and ``@name``
    alone an attribute of the result itself. In each list the first that finds anything is taken.

    Args:
        name: The site's name, as in ``scrape`` and in the manifest.
        version: Goes up with every change.
        checked: The day on which a person last looked whether all of this is so, ``YYYY-MM-DD``.
        url: The page of results, with ``{query}`` where the query's words go, or ``{slug}``, which writes them as names
            in paths (``silk-saree``). Before the ``?`` a blank of ``{query}`` becomes ``%20``, after it ``+``.
        script: The script in this package that reads the results; ``tiles`` reads what ``selectors`` say.
        selectors: Where things are: ``item`` for every script; for ``tiles`` also ``key``, ``image``, ``link``,
            ``title`` and ``price``.
        addresses: The attributes of an image that may hold its address, in order of preference; ``srcset`` means the
            largest of its entries.
        placeholders: Addresses that stand for an image which is still to come.
        detail: The image on the page of each result, where the page of results shows a small copy.
        rewrite: From small images to originals; the first rule that changes an address is the one that counts.
        consent: Buttons that answer a request for consent, the refusing ones first.
        dismiss: Buttons that close what covers the page.
        more: Buttons that ask for more results.
        next: Links to the next page of results.
        offset: How to count pages instead.
        end: What appears after the last result, where there is such a mark: a page that stops without it is an error.
        total: What says how many results there are (the largest number in its text): a warning tells of a search that
            brings fewer.
        states: What else the site may show.
        settings: Pace and limits.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    version: Annotated[int, Field(ge=1)]
    checked: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), BeforeValidator(str)]
    url: Text
    script: Literal["bing", "google", "tiles", "yahoo"] = "tiles"
    selectors: dict[str, Annotated[Texts, Field(min_length=1)]]
    addresses: Texts = ("data-src", "currentSrc", "src")
    placeholders: Patterns = ()
    detail: Detail | None = None
    rewrite: tuple[Rewrite, ...] = ()
    consent: Buttons = Buttons()
    dismiss: Buttons = Buttons()
    more: Buttons = Buttons()
    next: Buttons = Buttons()
    offset: Offset | None = None
    end: Texts = ()
    total: Texts = ()
    states: States = States()
    settings: BrowsingSettings = BrowsingSettings()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        parts = urlsplit(self.url)
        asks = "{query}" in self.url or "{slug}" in self.url
        if parts.scheme not in ("http", "https") or not parts.hostname or not asks:
            raise ValueError(
                f"expected url to be an http(s) address with {{query}} or {{slug}} in it, received {self.url!r}"
            )
        if "item" not in self.selectors:
            raise ValueError("expected selectors.item, which finds the results, received none")
        unknown = sorted(set(self.selectors) - set(CARD_SELECTORS))
        if self.script == "tiles" and unknown:
            raise ValueError(f"expected selectors for {', '.join(CARD_SELECTORS)}, received {', '.join(unknown)}")
        if self.detail and (self.script != "tiles" or "link" not in self.selectors):
            raise ValueError("expected selectors.link, which leads to the page that detail speaks of, received none")
        return self

    @property
    def paged(self) -> bool:
        """Whether results go on on a next page; else a page grows while it is scrolled."""
        return self.next != Buttons() or self.offset is not None

    def address(self, text: str) -> str:
        """Return the URL of the page that answers a query."""
        slug = quote(re.sub(r"\W+", "-", text.casefold()).strip("-") or "all")
        path, mark, asked = self.url.replace("{slug}", slug).partition("?")
        return path.replace("{query}", quote(text, safe="")) + mark + asked.replace("{query}", quote_plus(text))

    def original(self, address: str) -> str:
        """Return the address of the original of an image; its own where no rule applies."""
        if address.startswith("data:"):
            return address
        for rule in self.rewrite:
            if rule.unless is not None and re.search(rule.unless, address):
                continue
            original = re.sub(rule.pattern, rule.replacement, address, count=1)
            if original != address:
                return original
        return address


def site_file(name: str, overrides: Path | None) -> Path:
    """Return the file that describes a site: the project's own, or else the one that comes with Pixmill.

    Args:
        name: The site's name.
        overrides: The project's folder of sites.

    Raises:
        ScrapeError: There is no such file.
    """
    own = (overrides or Path("sites")) / f"{name}.yaml"
    if own.is_file():
        return own
    packaged = Path(str(files("pixmill.scrape"))) / "sites"
    known = sorted(path.stem for path in packaged.glob("*.yaml"))
    if name not in known:
        raise ScrapeError(
            f"there is no site '{name}': {own} is missing, and Pixmill bundles only {', '.join(known)}",
            next=f"mkdir -p {own.parent} && cp {packaged / 'shop.yaml'} {own}, then edit it",
        )
    return packaged / f"{name}.yaml"


def load_site(name: str, overrides: Path | None) -> SiteDefinition:
    """Read the description of a site.

    Args:
        name: The site's name.
        overrides: The project's folder of sites; ``<name>.yaml`` in it wins over the one in the package.

    Raises:
        ScrapeError: There is no such file, or it says something that it must not; one line for each key.
    """
    file = site_file(name, overrides)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScrapeError(f"{file} cannot be read: {error}", next=f"edit {file}") from None
    return parse_site(text, source=str(file) if file.parent == overrides else file.name)


def parse_site(text: str, *, source: str) -> SiteDefinition:
    """Return what the text of a site's file says.

    Args:
        text: YAML.
        source: Its file, for messages.

    Raises:
        ScrapeError: It is no YAML mapping, or a key is unknown, missing or wrong; one line for each.
    """
    try:
        content = parse_yaml(text, file=source)
    except ParamsError as error:
        raise ScrapeError(error.message, next=f"edit {source}") from None
    if not isinstance(content, dict):
        raise ScrapeError(f"{source}: expected keys, received {type(content).__name__}", next=f"edit {source}")
    try:
        return SiteDefinition.model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {line}" for line in refusals(SiteDefinition, error)]
        raise ScrapeError("\n".join(lines), next=f"edit {source}") from None
