"""Heads of HTTP/1 messages, as a forward proxy reads them and sends them on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

__all__ = ["BadHead", "RequestHead", "forwarded_response"]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
"""What concerns one connection only (RFC 9110, section 7.6.1); bodies pass as they are coded, hence no others."""

_HOST = rb"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_TUNNEL = re.compile(rb"CONNECT " + _HOST + rb":(?P<port>\d{1,5}) HTTP/1\.[01]")
_PLAIN = re.compile(
    rb"(?P<method>[A-Z]{1,20}) (?i:http)://(?:[^@/?# ]*@)?" + _HOST + rb"(?::(?P<port>\d{1,5}))?"
    rb"(?P<path>[/?][!-~\x80-\xff]*)? HTTP/1\.[01]"
)
_FIELD = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\x00]*)")
_STATUS = re.compile(rb"HTTP/1\.[01] (?P<status>[1-9]\d\d)(?: [^\r\n\x00]*)?")


class BadHead(ValueError):  # noqa: N818 (the peer's fault)
    """Say why a head is none that is sent on."""


@dataclass(frozen=True)
class RequestHead:
    """Hold what a client asks of a proxy.

    Args:
        host: The host to connect to, in lower case, without brackets.
        port: The port to connect to.
        is_tunnel: Whether bytes then pass untouched in both directions.
        body_bytes: Length of the body that follows.
        forwarded: The head as the host receives it; empty for a tunnel.
    """

    host: str
    port: int
    is_tunnel: bool
    body_bytes: int
    forwarded: bytes

    @classmethod
    def parse(cls, head: bytes) -> Self:
        """Read a request's head.

        Args:
            head: The bytes up to and with the empty line.

        Raises:
            BadHead: It is malformed, in origin form, of another scheme, or with a body of unknown length.
        """
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        fields = _fields(lines)
        tunnel, plain = _TUNNEL.fullmatch(first), _PLAIN.fullmatch(first)
        asked = tunnel or plain
        if asked is None:
            raise BadHead("this is a forward proxy: it takes CONNECT and http:// URLs")
        host = asked["host"].decode().strip("[]").lower().rstrip(".")
        port = int(asked["port"] or 80)
        if not host or not 0 < port < 65536:
            raise BadHead("no such host and port")
        if plain is None:
            return cls(host, port, is_tunnel=True, body_bytes=0, forwarded=b"")
        path = plain["path"] or b"/"
        authority = plain["host"] + (b":" + plain["port"] if plain["port"] else b"")
        request = [
            b"%b %b HTTP/1.1" % (plain["method"], path if path.startswith(b"/") else b"/" + path),
            b"Host: " + authority,
            *_end_to_end(fields, b"host"),
            b"Via: 1.1 pixmill",
            b"Connection: close",
        ]
        return cls(host, port, is_tunnel=False, body_bytes=_length(fields), forwarded=_head(request))


def forwarded_response(head: bytes) -> bytes | None:
    """Return a response's head as the client receives it, or ``None`` for an interim response, which is left out.

    Args:
        head: The bytes up to and with the empty line.

    Raises:
        BadHead: It is malformed, or the host changes the protocol.
    """
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None or status["status"] == b"101":
        raise BadHead("the host does not answer in HTTP/1")
    if status["status"].startswith(b"1"):
        return None
    return _head([first, *_end_to_end(_fields(lines)), b"Connection: close"])


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    found = [_FIELD.fullmatch(line) for line in lines]
    if None in found:
        raise BadHead("a header line is malformed")
    return [(field["name"].lower(), field["value"].rstrip()) for field in found if field]


def _end_to_end(fields: list[tuple[bytes, bytes]], *replaced: bytes) -> list[bytes]:
    named = {option.strip().lower() for name, value in fields if name == b"connection" for option in value.split(b",")}
    return [name + b": " + value for name, value in fields if name not in _HOP_BY_HOP | named | set(replaced)]


def _length(fields: list[tuple[bytes, bytes]]) -> int:
    if any(name == b"transfer-encoding" for name, _ in fields):
        raise BadHead("the length of the body must be given")
    lengths = {value for name, value in fields if name == b"content-length"} or {b"0"}
    # Two lengths, or one that is no number, let two readers see two different requests (RFC 9112, section 11.2).
    if len(lengths) != 1 or not (length := lengths.pop()).isdigit() or len(length) > 12:
        raise BadHead("the length of the body is not one number")
    return int(length)


def _head(lines: list[bytes]) -> bytes:
    return b"\r\n".join([*lines, b"", b""])
