"""Share the service with other devices of the local network: its address, and a QR code."""

import contextlib
import ipaddress
import socket

import segno

from pixmill.core.errors import PixmillError

SHARED = (
    "Anyone in this network who has this link can classify images, see a few test images and send "
    "corrections, until you stop it or close Pixmill. Images travel unencrypted, and are kept only "
    "if corrected."
)
"""What a person who shares the service should know."""

_ELSEWHERE = ("192.0.2.1", 9)
"""An address of no machine (RFC 5737). Connecting a UDP socket to it sends nothing."""


def lan_address() -> str:
    """Return the IPv4 address by which devices of the local network reach this machine.

    Raises:
        PixmillError: There is none, or the machine is on the public internet.
    """
    address = ""
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        address = probe.getsockname()[0]
    if not address or not ipaddress.ip_address(address).is_private:
        raise PixmillError(
            "this machine has no address in a local network",
            next="connect it to the phone's network, or name its address there: pixmill serve "
            "--share --host ADDRESS",
        )
    return address


def code_svg(link: str) -> str:
    """Return the QR code of a link as the data URI of an SVG image."""
    return segno.make_qr(link).svg_data_uri(scale=5, light="#fff")


def print_code(link: str) -> None:
    """Print the QR code of a link."""
    segno.make_qr(link).terminal(compact=True)
