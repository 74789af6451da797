"""icrawler: its crawler for lists of addresses."""

import logging
from pathlib import Path

from icrawler.builtin import UrlListCrawler
from work import arguments, timed, urls

told = arguments()
listed = Path(told.folder) / "list.txt"
listed.write_text("\n".join(urls(told.port, told.count)))


def collect() -> None:
    crawler = UrlListCrawler(
        downloader_threads=told.connections,
        storage={"root_dir": str(Path(told.folder) / "images")},
        log_level=logging.CRITICAL,
    )
    crawler.crawl(str(listed), max_num=told.count)


timed(collect)
