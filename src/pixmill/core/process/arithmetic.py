"""The same arithmetic on every x86-64-v3 processor."""

import os
import platform
import re
import sys
from pathlib import Path

_LEAST = {"avx2", "fma"}

_FASTER = {
    "X86_V4": {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"},
    "AVX512_ICL": {
        *("avx512ifma", "avx512vbmi", "avx512_vbmi2", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq"),
        *("gfni", "vaes", "vpclmulqdq"),
    },
    "AVX512_SPR": {"avx512_fp16"},
}
"""NumPy's names of the instruction sets beyond x86-64-v3, with Linux' names of the flags that each needs."""


def fix_arithmetic() -> None:
    """Let NumPy and BLAS use the code for x86-64-v3 (AVX2 and FMA), on one thread, unless told otherwise.

    Otherwise they choose by the processor, and the last bits of sums differ. Only the environment is set, which NumPy
    and OpenBLAS read when they load and worker processes inherit; what the environment already says stays. Nothing is
    set on other processors, nor where the instruction sets are unknown (outside Linux).
    """
    flags = _flags()
    if not flags >= _LEAST:
        return
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # NumPy warns of those that the processor does not have.
    faster = " ".join(name for name, needed in _FASTER.items() if needed <= flags)
    if faster:
        os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", faster)


def instruction_set() -> str:
    """Return the name of the instruction set that results depend on: machines with the same one give the same."""
    return "x86-64-v3" if _flags() >= _LEAST else platform.machine()


def _flags() -> set[str]:
    """Return what an x86-64 processor can do, as far as Linux says so."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return set()
    try:
        line = re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # A sandbox without /proc.
        return set()
    return set(line[1].split()) if line else set()
