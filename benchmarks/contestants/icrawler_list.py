"""icrawler: its crawler for lists of URLs."""

import logging
from pathlib import Path

from icrawler.builtin import UrlListCrawler
from work import arguments, timed, urls

options = arguments()
listed = Path(options.folder) / "list.txt"
listed.write_text("\n".join(urls(options.port, options.count)))


def collect() -> None:
    crawler = UrlListCrawler(
        downloader_threads=options.connections,
        storage={"root_dir": str(Path(options.folder) / "images")},
        log_level=logging.CRITICAL,
    )
    crawler.crawl(str(listed), max_num=options.count)


timed(collect)
