"""What may be reached beside the public internet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Network"]


@dataclass(frozen=True)
class Network:
    """Name the exceptions to the rule that every host must be public.

    Args:
        served: Origins that this process serves itself, as ``name:port``, each with its port on 127.0.0.1. They are
            never looked up.
        allowed: Hosts that a person trusts although their addresses are not public, as ``name:port``; such addresses
            are reached on no other port of theirs.
        authority: A certificate authority, as a PEM file, that is believed beside the system's.
    """

    served: Mapping[str, int] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    authority: Path | None = None
