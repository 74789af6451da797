"""What people write themselves: requests with a session a thread, and a pool of threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from work import arguments, timed, urls

told = arguments()
folder = Path(told.folder)
local = threading.local()


def fetch(item: tuple[int, str]) -> None:
    number, url = item
    if not hasattr(local, "session"):
        local.session = requests.Session()
    response = local.session.get(url, timeout=20)
    response.raise_for_status()
    (folder / f"{number}.jpg").write_bytes(response.content)


def collect() -> None:
    with ThreadPoolExecutor(told.connections) as pool:
        list(pool.map(fetch, enumerate(urls(told.port, told.count))))


timed(collect)
