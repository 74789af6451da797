"""Fingerprints of the keys of a certificate authority, as Chromium wants to be told them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from pixmill.errors import BrowserError

__all__ = ["key_fingerprints"]


def key_fingerprints(authority: Path) -> list[str]:
    """Return the base64 SHA-256 of the public key (SPKI, RFC 7469 section 2.4) of each certificate in a PEM file.

    Raises:
        BrowserError: The file is missing or holds no certificate.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificates = load_pem_x509_certificates(authority.read_bytes())
    except (OSError, ValueError) as error:
        raise BrowserError(f"{authority} holds no certificate that can be read: {error}") from None
    keys = [each.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in certificates]
    return [base64.b64encode(hashlib.sha256(key).digest()).decode() for key in keys]
