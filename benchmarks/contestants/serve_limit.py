"""Upper bound: decode, resize and run LiteRT on images in memory, in several processes, without a server.

For each line ``<processes> <threads of each> <seconds>`` on standard input, print the latencies.
"""

import json
import multiprocessing
import sys
import time
from pathlib import Path

from pixmill.models import litert
from pixmill.models.classifier import Classifier


def run(folder, threads, start, wanted, results):
    # The classifier uses at most this number of threads.
    litert._THREADS = threads
    classifier = Classifier.load(folder / "classifier")
    images = [path.read_bytes() for path in sorted((folder / "images").iterdir())]
    classifier.predict(images[:4])
    while True:
        start.wait()
        ends = time.perf_counter() + wanted.value
        latencies = []
        while (began := time.perf_counter()) < ends:
            classifier.predict([images[len(latencies) % len(images)]])
            latencies.append(time.perf_counter() - began)
        results.put(latencies)


def main():
    folder = Path(sys.argv[1])
    context = multiprocessing.get_context("spawn")
    teams = {}
    cores = litert.available_cores()
    for processes, threads in ((1, 1), (cores, 1), (1, cores)):
        start = context.Barrier(processes + 1)
        wanted = context.Value("d", 0.0)
        results = context.Queue()
        teams[processes, threads] = start, wanted, results
        for _ in range(processes):
            context.Process(
                target=run, args=(folder, threads, start, wanted, results), daemon=True
            ).start()
    print("ready", flush=True)
    for line in sys.stdin:
        processes, threads, seconds = line.split()
        start, wanted, results = teams[int(processes), int(threads)]
        wanted.value = float(seconds)
        start.wait()
        began = time.perf_counter()
        latencies = sorted(latency for _ in range(int(processes)) for latency in results.get())
        print(
            json.dumps({"seconds": time.perf_counter() - began, "latencies": latencies}), flush=True
        )


if __name__ == "__main__":
    main()
