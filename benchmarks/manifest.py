"""Take synthetic manifests of 10^4, 10^5 and 10^6 images through near-duplicates, verdicts, gate and split.

The measures of the images are synthetic, too, so this covers all work after decoding. The search for
near-duplicates is made from nothing without 1,000 of the images, and continued with them. Each size and
stage runs in a separate process. The exponent between two sizes shows the growth with the number of
images: 1 is linear, 2 quadratic.

    make bench-manifest            QUICK=1 for 10^4 and 10^5
"""

import itertools
import json
import math
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contest import Contestant, Record, folder_for_files, machine, run, sized

COUNTS = sized((10_000, 100_000, 1_000_000), (10_000, 100_000), (1_000, 1_200))
PARTS = ("duplicates", "more", "gate", "split")
HOURS = 3600.0
GIGABYTES = 4.0
"""Memory limit for a million images."""


def main() -> None:
    """Print the table, and the exponents and the memory as the last line."""
    print(f"{', '.join(f'{count:,}' for count in COUNTS)} images; {machine()}\n")
    print(
        "| images | pairs of near-duplicates | near-duplicates, s | of 1,000 more, s | verdicts and "
        "gate, s | split, s | memory, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    seconds: dict[str, list[float]] = {part: [] for part in PARTS}
    memory = 0.0
    for count in COUNTS:
        validated, divided = measure(count)
        output = validated.outputs[0]
        times = {
            "duplicates": output["duplicates"],
            "more": output["more"],
            "gate": output["gate"],
            "split": divided.seconds[0],
        }
        for part, value in times.items():
            seconds[part].append(float(str(value)))
        memory = max(validated.megabytes(), divided.megabytes())
        cells = " | ".join(f"{seconds[part][-1]:,.1f}" for part in PARTS)
        print(f"| {count:,} | {output['pairs']:,} | {cells} | {memory:,.0f} |", flush=True)
    print()
    exponents = {
        f"{part}_exponent": [exponent(*pair) for pair in growth(seconds[part])] for part in PARTS
    }
    print(json.dumps({**exponents, "memory_under_4_gb": round(GIGABYTES * 1000 / memory, 2)}))


def measure(count: int) -> tuple[Record, Record]:
    """Take a manifest of the given size through both stages; return their records."""
    validated = Record()
    divided = Record()
    with tempfile.TemporaryDirectory(dir=folder_for_files()) as folder:
        for phase, record in (("make", Record()), ("validate", validated), ("split", divided)):
            contestant = Contestant(
                phase, "pixmill_manifest.py", Path(sys.executable), ("--phase", phase)
            )
            run(contestant, ["--count", str(count), "--folder", folder], record, seconds=HOURS)
    return validated, divided


def growth(values: list[float]) -> list[tuple[float, float]]:
    """Return the growth factors of size and time, from each size to the next."""
    sizes = [after / before for before, after in itertools.pairwise(COUNTS)]
    times = [after / before for before, after in itertools.pairwise(values)]
    return list(zip(sizes, times, strict=True))


def exponent(size: float, time: float) -> float:
    """Return the exponent of the growth of time with size."""
    return round(math.log(time) / math.log(size), 2)


if __name__ == "__main__":
    main()
