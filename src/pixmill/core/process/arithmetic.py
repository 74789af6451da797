"""Identical arithmetic on every x86-64-v3 processor."""

import os
import platform
import re
import sys
from pathlib import Path

_LEAST = {"avx2", "fma"}

_FASTER = {
    "X86_V4": {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"},
    "AVX512_ICL": {
        "avx512ifma",
        "avx512vbmi",
        "avx512_vbmi2",
        "avx512_vnni",
        "avx512_bitalg",
        "avx512_vpopcntdq",
        "gfni",
        "vaes",
        "vpclmulqdq",
    },
    "AVX512_SPR": {"avx512_fp16"},
}
"""Instruction sets beyond x86-64-v3 by NumPy's names, with the CPU flags of each (Linux)."""


def fix_arithmetic() -> None:
    """Make NumPy and OpenBLAS use their code for x86-64-v3 (AVX2 and FMA), on one thread.

    By default they choose code by processor, and the last bits of sums differ. This sets
    environment variables that both read on import and that worker processes inherit; variables that
    are already set stay. It does nothing on other processors and outside Linux.
    """
    flags = _flags()
    if not flags >= _LEAST:
        return
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # NumPy warns about features that the processor lacks.
    faster = " ".join(name for name, needed in _FASTER.items() if needed <= flags)
    if faster:
        os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", faster)


def instruction_set() -> str:
    """Return the instruction set that results depend on; equal names give equal results."""
    return "x86-64-v3" if _flags() >= _LEAST else platform.machine()


def _flags() -> set[str]:
    """Return the CPU flags of an x86-64 processor under Linux; empty elsewhere."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return set()
    try:
        line = re.search(
            r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:  # A sandbox without /proc.
        return set()
    return set(line[1].split()) if line else set()
