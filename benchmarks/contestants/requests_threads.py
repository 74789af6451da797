"""A typical script: requests in a pool of threads, with one session per thread."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from work import arguments, timed, urls

options = arguments()
folder = Path(options.folder)
local = threading.local()


def fetch(item: tuple[int, str]) -> None:
    number, url = item
    if not hasattr(local, "session"):
        local.session = requests.Session()
    response = local.session.get(url, timeout=20)
    response.raise_for_status()
    (folder / f"{number}.jpg").write_bytes(response.content)


def collect() -> None:
    with ThreadPoolExecutor(options.connections) as pool:
        list(pool.map(fetch, enumerate(urls(options.port, options.count))))


timed(collect)
