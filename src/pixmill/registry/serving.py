"""Which version a server answers with, and whether that is the one that the alias names."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.words import printable
from pixmill.registry.model_versions import Registry

_SECONDS = 10
_MOST = 1 << 20


@dataclass(frozen=True)
class Served:
    """What a server answers with.

    Args:
        url: Of the server.
        name: Of its model.
        version: Its version in the registry; ``None`` if it has none.
        expected: The version that the alias names; ``None`` if it names none.
        alias: The alias.
        model: The registered model that it should answer with.
    """

    url: str
    name: str
    version: int | None
    expected: int | None
    alias: str
    model: str

    @property
    def follows(self) -> bool:
        """Whether it answers with the version that the alias names."""
        return self.name == self.model and self.version is not None and self.version == self.expected

    def describe(self) -> str:
        """Return it in a sentence, with what helps where it does not follow."""
        what = f"{self.name} version {self.version}" if self.version else f"{self.name}, which has no version"
        if self.follows:
            return f"{self.url} serves {what}, which is {self.alias}."
        other = f"version {self.expected} of {self.model}" if self.expected else f"no version of {self.model}"
        help_ = f"Within its --poll (default: 30 s) it follows, if it serves models:/{self.model}@{self.alias}"
        return f"{self.url} serves {what}; {self.alias} is {other}.\n{help_}; what keeps it: {self.url}/readyz"


def ask_server(registry: Registry, url: str, alias: str, key: str | None = None) -> Served:
    """Ask a server of ``pixmill serve`` which model it answers with.

    Args:
        registry: The registered model that it should follow.
        url: The server's address, such as ``https://garments.example.org``.
        alias: The alias that it should follow.
        key: An API key.

    Raises:
        PixmillError: It does not respond, or is no such server.
    """
    if not url.startswith(("http://", "https://")):
        raise PixmillError(f"'{printable(url)}' is no address of a server", next="write such as http://127.0.0.1:8000")
    address = f"{url.rstrip('/')}/v1/model"
    found = _get(address, {"Authorization": f"Bearer {key}"} if key else {})
    name, version = found.get("name"), found.get("version")
    if not isinstance(name, str):
        raise PixmillError(f"{address} is no server of pixmill serve", next="check the address")
    number = int(version) if isinstance(version, str) and re.fullmatch("[1-9][0-9]{0,9}", version) else None
    return Served(url, printable(name), number, registry.aliases().get(alias), alias, registry.name)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follow none: the key is for this server alone."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse it, so that it is told as an answer."""


def _get(address: str, headers: dict[str, str]) -> dict[str, Any]:
    try:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 (http or https, as checked)
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=_SECONDS) as answer:
            found = json.loads(answer.read(_MOST))
    except urllib.error.HTTPError as error:
        with error:
            advice = "--api-key-file FILE" if error.code == 401 else "check the address"
            message = f"{address} responds with {error.code} {printable(str(error.reason))}"
            raise PixmillError(message, next=advice) from None
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
        reason = printable(str(getattr(error, "reason", error)))
        raise PixmillError(
            f"{address} does not respond as a server does ({reason})", next="check the address"
        ) from None
    return found if isinstance(found, dict) else {}
