"""A browser works without IPv6, as in many containers."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.linux, pytest.mark.slow]

SCRIPT = """
import errno, socket, sys
from pathlib import Path
from pixmill.fetch.browser import find_browser, open_browser, visit
from pixmill.fetch.proxy import Proxy
from pixmill.fetch.values import Network
from pixmill.local.shop.catalogue import ORIGIN
from pixmill.local.shop.server import Shop

try:
    socket.create_server(("::1", 0), family=socket.AF_INET6)
except OSError as error:
    print(errno.errorcode[error.errno])
folder = Path(sys.argv[1])
with (
    Shop(folder / "data") as shop,
    Proxy(Network(served={"shop.pixmill.test:80": shop.port})) as proxy,
    open_browser(find_browser(), proxy=proxy.url, profile=folder / "profiles") as driver,
):
    print(visit(driver, f"{ORIGIN}/search?q=coat"))
"""

WITHOUT_IPV6 = 'ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && exec "$@"'


def test_browser_starts_without_ipv6(repository, tmp_path):
    (tmp_path / "data" / "coat").mkdir(parents=True)
    confined = [
        "unshare",
        "--net",
        "sh",
        "-c",
        WITHOUT_IPV6,
        "sh",
        sys.executable,
        "-c",
        SCRIPT,
        str(tmp_path),
    ]
    done = subprocess.run(
        confined, cwd=repository, check=True, timeout=120, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.split("\n") == ["EADDRNOTAVAIL", "200", ""]
