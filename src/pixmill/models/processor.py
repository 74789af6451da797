"""What this machine's processor is and can do: libraries choose their ways of computing by that."""

from __future__ import annotations

import platform
from pathlib import Path

__all__ = ["instructions", "processor"]

_FACTS = Path("/proc/cpuinfo")


def processor() -> str:
    """Return the kind of processor with all that it can do, as far as the system tells."""
    facts = _facts()
    if not facts:
        return f"{platform.machine()} {platform.processor()}"
    return " ".join([platform.machine(), facts.get("model name", ""), *sorted(instructions())])


def instructions() -> frozenset[str]:
    """Return the instructions that the processor knows, by their Linux names; empty where the system does not tell."""
    facts = _facts()
    # The second is what ARM calls them.
    return frozenset(facts.get("flags", facts.get("Features", "")).split())


def _facts() -> dict[str, str]:
    """Return what is said of the first processor, by name."""
    try:
        lines = _FACTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    named: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        named.setdefault(name.strip(), value.strip())
    return named
