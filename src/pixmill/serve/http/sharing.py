"""Share the service with other devices of the local network: its address, and a QR code."""

import ipaddress
import socket
from functools import lru_cache

from pixmill.core.errors import PixmillError

SHARED = (
    "Anyone in this network who has this link can classify images, see a few test images and send "
    "corrections, until you stop it. Images travel unencrypted, and are kept only if corrected."
)
"""What a person who shares the service should know."""

_ELSEWHERE = ("192.0.2.1", 9)
"""An address of no machine (RFC 5737). Connecting a UDP socket to it sends nothing."""


def lan_address() -> str:
    """Return the IPv4 address by which devices of the local network reach this machine.

    Raises:
        PixmillError: There is none, or the machine is on the public internet.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE)
            address = str(probe.getsockname()[0])
    except OSError as error:
        raise PixmillError(
            f"this machine is in no local network: {error.strerror}",
            next="connect it to the network of the phone, then try again",
        ) from error
    found = ipaddress.ip_address(address)
    if found.is_loopback or not found.is_private:
        raise PixmillError(
            f"{address} is not an address in a local network",
            next="name one of this machine's addresses: pixmill serve --share --host ADDRESS",
        )
    return address


def link_of(url: str, token: str) -> str:
    """Return the link that opens the page with a key.

    The key follows ``#``, which browsers keep to themselves: it is in no request line or log.

    Args:
        url: URL of the service.
        token: The key.
    """
    return f"{url}#key={token}"


@lru_cache(maxsize=1)
def code_svg(link: str) -> str:
    """Return the QR code of a link as the data URI of an SVG image."""
    import segno

    return segno.make_qr(link).svg_data_uri(scale=5, light="#fff")


def print_code(link: str) -> None:
    """Print the QR code of a link."""
    import segno

    segno.make_qr(link).terminal(compact=True)
