"""Texts for the reasons why an image has no prediction."""

import http

from pixmill.images.read_errors import UNREADABLE

_MEANINGS = {
    **UNREADABLE,
    "symlink": "a symbolic link that leads out of the folder",
    "unreadable": "the file cannot be read",
    # Reasons of URLs.
    "bad_data_uri": "an inlined image that cannot be decoded",
    "bad_redirect": "a redirect to a URL that is not allowed",
    "bad_response": "an invalid HTTP response",
    "bad_url": "not an http(s) URL",
    "busy": "the host asked for a long pause",
    "connection": "the site could not be reached",
    "crawl_delay": "the site's robots.txt asks for long pauses",
    "encoding": "compressed in a way that was not requested",
    "host_down": "the host failed again and again",
    "incomplete": "the download broke off",
    "no_training": "the site refuses use for training (Content-Signal, Content-Usage)",
    "private_address": "not a public internet address",
    "robots": "disallowed by the site's robots.txt",
    "robots_unreachable": "the site's robots.txt could not be read, so nothing was fetched",
    "tls": "the site's TLS certificate is not valid",
    "too_large": "too large to be fetched",
    "too_many_redirects": "too many redirects",
    "x_robots_tag": "the site asks not to keep it (X-Robots-Tag)",
}


def meaning(reason: str) -> str:
    """Return the text for a reason, without a full stop; for an unknown reason, its words."""
    status = reason.removeprefix("http_")
    if status != reason and status.isdecimal():
        phrases = {str(value.value): value.phrase for value in http.HTTPStatus}
        return f"HTTP {status} {phrases.get(status, '')}".rstrip()
    words = _MEANINGS.get(reason, reason.replace("_", " "))
    return words[:1].upper() + words[1:]
