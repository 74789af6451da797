"""Rows of ``pixmill predict``, and a model, for the gallery."""

import hashlib
from pathlib import Path

from pixmill.serve.predict.model import Model

THRESHOLD = 0.75


def row(
    labels,
    number: int,
    weights,
    *,
    path: str | None = None,
    content: bytes | None = None,
    threshold=THRESHOLD,
):
    """Return the row of an image with probabilities proportional to the weights."""
    shares = [weight / sum(weights) for weight in weights]
    best = max(range(len(labels)), key=shares.__getitem__)
    return {
        "path": path or f"photos/{number}.jpg",
        "id": hashlib.sha256(f"{number}".encode() if content is None else content).hexdigest(),
        "predicted": labels[best],
        "confidence": shares[best],
        "sure": None if threshold is None else shares[best] >= threshold,
        "unlike": None,
        **{f"p_{label}": share for label, share in zip(labels, shares, strict=True)},
        "reason": None,
    }


def unread(path: str, reason: str):
    """Return the row of an unreadable file."""
    return {
        "path": path,
        "id": None,
        "predicted": None,
        "confidence": None,
        "sure": None,
        "unlike": None,
        "reason": reason,
    }


def model(labels, *, threshold=THRESHOLD, **more):
    """Return the metadata of a model."""
    facts = {"name": "garments", "version": "3", "digest": "0123456789abcdef" * 4, "image_size": 24}
    return Model(
        **{**facts, "path": Path(), "labels": tuple(labels), "threshold": threshold, **more}
    )
