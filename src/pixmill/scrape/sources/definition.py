"""Site descriptions: YAML files with selectors, page markers and browsing settings."""

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
"""Selectors that ``tiles.js`` uses, the script for sites without a script."""


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


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Buttons(_Model):
    """Buttons, in order of preference.

    Args:
        selectors: CSS selectors.
        texts: Complete texts of buttons, ignoring case, in the language of the URL.
    """

    selectors: Texts = ()
    texts: Texts = ()


class Markers(_Model):
    """Markers of a kind of page; one match is enough.

    Args:
        urls: Regular expressions, searched for in the URL of the page.
        selectors: CSS selectors.
        texts: Texts in the title or the visible text; ignored on pages with results, whose titles
            may contain anything.
    """

    urls: Patterns = ()
    selectors: Texts = ()
    texts: Texts = ()


class States(_Model):
    """Markers of pages that a site may show instead of results.

    Args:
        captcha: CAPTCHA.
        blocked: Block or rate limit.
        consent: Consent dialog.
        empty: No results.
        shell: Page that contains only scripts; checked only on pages with hardly any visible text.
    """

    captcha: Markers = Markers()
    blocked: Markers = Markers()
    consent: Markers = Markers()
    empty: Markers = Markers()
    shell: Markers = Markers()


class Offset(_Model):
    """A URL parameter that counts pages, for sites without a link to the next page.

    Args:
        parameter: Name of the parameter.
        first: Value on the first page.
        step: Increase per page.
    """

    parameter: Text
    first: Annotated[int, Field(ge=0)] = 1
    step: Annotated[int, Field(ge=1)] = 1

    def address(self, url: str, number: int) -> str:
        """Return the URL of a page.

        Args:
            url: URL of the first page.
            number: Index of the page, from 0.
        """
        parts = urlsplit(url)
        others = [
            (name, value) for name, value in parse_qsl(parts.query, True) if name != self.parameter
        ]
        counted = [*others, (self.parameter, str(self.first + number * self.step))]
        return urlunsplit(parts._replace(query=urlencode(counted)))


class Detail(_Model):
    """The image on the page of a result, linked by ``selectors.link``.

    Args:
        image: Selectors of the image, or with ``@name`` of a link or a meta tag.
    """

    image: Annotated[Texts, Field(min_length=1)]


class Rewrite(_Model):
    r"""A rule that turns the URL of a thumbnail into that of its original.

    Args:
        pattern: Regular expression, searched for in the URL.
        replacement: Replacement (``\1`` for a group).
        unless: Regular expression of URLs to leave unchanged.
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
                f"expected a replacement for {self.pattern!r}, received {self.replacement!r} "
                f"({error})"
            ) from None
        return self


class BrowsingSettings(_Model):
    """Pace and limits of browsing.

    Args:
        pause: Minimum and maximum seconds between two steps; drawn at random.
        smooth: Whether to scroll smoothly, as people do.
        patience: Seconds after which a page that loads nothing has ended, without those of
            scrolling back and down again, three times meanwhile.
        most: Maximum number of results per query.
        longest: Maximum seconds per query.
    """

    pause: tuple[Seconds, Seconds] = (0.3, 0.9)
    smooth: bool = True
    patience: Annotated[float, Field(gt=0)] = 8.0
    most: Annotated[int, Field(ge=1)] = 10_000
    longest: Annotated[float, Field(gt=0)] = 900.0


class SiteDefinition(_Model):
    """A site with a results page.

    Selectors are CSS. A selector that ends in ``@name`` selects an attribute (``img@alt``);
    ``@name`` alone selects an attribute of the result itself. The first selector of a list with a
    match wins.

    Args:
        name: Name of the site, as in ``scrape.source`` and in the manifest.
        version: Version of the description; increase it with every change.
        checked: Date of the last manual check, ``YYYY-MM-DD``.
        url: URL of the results page with ``{query}`` or ``{slug}``, which writes the query as in
            paths (``silk-saree``). Spaces of ``{query}`` become ``%20`` before the ``?`` and ``+``
            after it.
        script: Script in this package that reads the results; ``tiles`` uses only ``selectors``.
        selectors: Selectors of parts of the page: ``item`` for every script; for ``tiles`` also
            ``key``, ``image``, ``link``, ``title`` and ``price``.
        addresses: Attributes of an image that may hold its URL, in order of preference; ``srcset``
            means its largest entry. Without them, the largest image is taken that the result names:
            in ``srcset``, ``<picture>``, ``data-*``, or an element around the image.
        placeholders: Regular expressions of URLs that lazy loading will replace.
        detail: The image on the page of each result, for results pages with thumbnails.
        rewrite: Rules from thumbnails to originals; the first rule that changes a URL wins.
        consent: Buttons of consent dialogs, refusals first.
        dismiss: Buttons that close overlays.
        more: Buttons that load more results.
        next: Links to the next results page.
        offset: URL parameter that counts pages, instead of ``next``.
        end: Selectors of an end mark, if any; a page that stops without it is an error.
        total: Selectors of the number of results (the largest number in the text). A search with
            clearly fewer results causes a warning.
        states: Markers of other pages.
        settings: Pace and limits.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    version: Annotated[int, Field(ge=1)]
    checked: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), BeforeValidator(str)]
    url: Text
    script: Literal["bing", "google", "tiles", "yahoo"] = "tiles"
    selectors: dict[str, Annotated[Texts, Field(min_length=1)]]
    addresses: Texts = ()
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
        is_web = parts.scheme in ("http", "https") and parts.hostname
        if not is_web or not re.search(r"\{(query|slug)\}", self.url):
            raise ValueError(
                f"expected url to be an http(s) address with {{query}} or {{slug}} in it, received "
                f"{self.url!r}"
            )
        if "item" not in self.selectors:
            raise ValueError("expected selectors.item, which finds the results, received none")
        unknown = sorted(set(self.selectors) - set(CARD_SELECTORS))
        if self.script == "tiles" and unknown:
            raise ValueError(
                f"expected selectors for {', '.join(CARD_SELECTORS)}, received {', '.join(unknown)}"
            )
        if self.detail and (self.script != "tiles" or "link" not in self.selectors):
            raise ValueError("detail needs selectors.link, the link to each result's page")
        return self

    @property
    def paged(self) -> bool:
        """Whether results are divided into pages; otherwise the page grows while scrolling."""
        return self.next != Buttons() or self.offset is not None

    def address(self, text: str) -> str:
        """Return the URL of the results page of a query."""
        slug = quote(re.sub(r"\W+", "-", text.casefold()).strip("-") or "all")
        path, mark, rest = self.url.replace("{slug}", slug).partition("?")
        return (
            path.replace("{query}", quote(text, safe=""))
            + mark
            + rest.replace("{query}", quote_plus(text))
        )

    def original(self, address: str) -> str:
        """Return the URL of an image's original; the same URL if no rule applies."""
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
    """Return the file of a site: the project's, or the bundled one.

    Args:
        name: Name of the site.
        overrides: Folder ``sites/`` of the project.

    Raises:
        ScrapeError: Neither file exists.
    """
    own = (overrides or Path("sites")) / f"{name}.yaml"
    if own.is_file():
        return own
    packaged = Path(str(files("pixmill.scrape"))) / "sites"
    known = sorted(path.stem for path in packaged.glob("*.yaml"))
    if name not in known:
        raise ScrapeError(
            (
                f"there is no site '{name}': {own} is missing, and Pixmill bundles only "
                f"{', '.join(known)}"
            ),
            next=f"mkdir -p {own.parent} && cp {packaged / 'shop.yaml'} {own}, then edit it",
        )
    return packaged / f"{name}.yaml"


def load_site(name: str, overrides: Path | None) -> SiteDefinition:
    """Read the description of a site.

    Args:
        name: Name of the site.
        overrides: Folder ``sites/`` of the project; its ``<name>.yaml`` takes precedence over the
            bundled one.

    Raises:
        ScrapeError: The file is missing or invalid; the message has a line for each invalid key.
    """
    file = site_file(name, overrides)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScrapeError(f"{file} cannot be read: {error}", next=f"edit {file}") from None
    return parse_site(text, source=str(file) if file.parent == overrides else file.name)


def parse_site(text: str, *, source: str) -> SiteDefinition:
    """Parse the description of a site.

    Args:
        text: YAML.
        source: Path of the file, for messages.

    Raises:
        ScrapeError: The text is no YAML mapping, or keys are unknown, missing or invalid; the
            message has a line for each.
    """
    try:
        content = parse_yaml(text, file=source)
    except ParamsError as error:
        raise ScrapeError(error.message, next=f"edit {source}") from None
    if not isinstance(content, dict):
        raise ScrapeError(
            f"{source}: expected keys, received {type(content).__name__}", next=f"edit {source}"
        )
    try:
        return SiteDefinition.model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {line}" for line in refusals(SiteDefinition, error)]
        raise ScrapeError("\n".join(lines), next=f"edit {source}") from None
