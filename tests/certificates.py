"""A certificate authority for tests."""

import base64
import datetime as dt
import hashlib
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority"]

_VALIDITY = dt.timedelta(days=30)


class Authority:
    """A certificate authority that only clients with ``pem`` trust.

    Args:
        folder: Existing folder for the files; the key of an authority in it is reused.

    Attributes:
        pem: Certificate of the authority, for clients.
        pin: SHA-256 of its public key in base64, for Chromium's
            ``--ignore-certificate-errors-spki-list``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = _key(folder / "authority-key.pem")
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pixmill tests")])
        self.pem = folder / "authority.pem"
        if not self.pem.exists():
            self.pem.write_bytes(self._signed_by_itself().public_bytes(serialization.Encoding.PEM))
        self._certificate = x509.load_pem_x509_certificate(self.pem.read_bytes())
        spki = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.pin = base64.b64encode(hashlib.sha256(spki).digest()).decode()

    def context(self, names: Iterable[str]) -> ssl.SSLContext:
        """Return the TLS context of a server with a certificate for all names."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._draft(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.test")]),
                key.public_key(),
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        # The whole chain: Chromium searches it for the pinned key.
        chain = self._folder / "server.pem"
        chain.write_bytes(
            _bytes(key)
            + certificate.public_bytes(serialization.Encoding.PEM)
            + self._certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _signed_by_itself(self) -> x509.Certificate:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        return (
            self._draft(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _draft(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _VALIDITY)
            .not_valid_after(now + _VALIDITY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier),
                critical=False,
            )
        )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the private key in a file; create it if missing."""
    if not path.exists():
        path.write_bytes(_bytes(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
