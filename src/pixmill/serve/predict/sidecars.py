"""XMP sidecars of predicted images, which photo managers read as keywords."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from pixmill.core.files.writing import write_bytes
from pixmill.core.words import printable

SUFFIX = ".xmp"
"""Follows the name of the image, ``photo.jpg.xmp``, as digiKam and darktable expect it."""

_BODY = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Pixmill">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:pixmill="https://pixmill.invalid/xmp/1.0/">
   <dc:subject>
    <rdf:Bag>
{keywords}
    </rdf:Bag>
   </dc:subject>
   <pixmill:predicted>{predicted}</pixmill:predicted>
   <pixmill:confidence>{confidence:.6g}</pixmill:confidence>
   <pixmill:modelDigest>{model}</pixmill:modelDigest>
  </rdf:Description>
 </rdf:RDF>
"""

_END = """\
 <!-- SHA-256 of the lines above: {} -->
</x:xmpmeta>
<?xpacket end="w"?>
"""
"""Ends the sidecars that neither people nor another program have changed since."""

_MAX_BYTES = 1 << 20
"""Size above which a sidecar is not read: it is of another program."""


def write_sidecar(image: Path, row: Mapping[str, Any], keywords: Iterable[str], model: str) -> bool:
    """Write the sidecar of an image unless it is up to date.

    Args:
        image: The image.
        row: Its prediction.
        keywords: Its keywords, which photo managers show.
        model: Digest of the model.

    Returns:
        Whether it has this content; false if people or another program wrote or changed it, and
        it stays.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    path = image.with_name(image.name + SUFFIX)
    items = [f"     <rdf:li>{escape(printable(word))}</rdf:li>" for word in keywords]
    body = _BODY.format(
        keywords="\n".join(items),
        predicted=escape(printable(row["predicted"])),
        confidence=row["confidence"],
        model=model,
    )
    content = _sealed(body.encode())
    found = None
    if path.is_file():
        with path.open("rb") as file:
            found = file.read(_MAX_BYTES)
        if found != _sealed(found.partition(_END.partition("{")[0].encode())[0]):
            return False
    if found != content:
        write_bytes(path, content)
    return True


def _sealed(body: bytes) -> bytes:
    """Return a sidecar with the digest of its body, which says whether anything was changed."""
    return body + _END.format(hashlib.sha256(body).hexdigest()).encode()
