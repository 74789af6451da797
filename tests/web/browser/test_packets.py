"""Every packet that leaves a network namespace with a browser in it is captured: none may pass the proxy."""

import json
import subprocess
import sys

import pytest

from tests.certificates import Authority
from tests.web.browser.namespace import CONTROL, NAME

pytestmark = [pytest.mark.browser, pytest.mark.linux, pytest.mark.slow]


@pytest.mark.parametrize(
    ("restored", "leaks"),
    [
        ("nothing", set()),
        # This guards the first, which a deaf capture or a page that tries nothing would pass.
        (
            "MediaRouter,WebRtcHideLocalIpsWithMdns",
            {"udp 239.255.255.250:1900", "udp 224.0.0.251:5353", "igmp 224.0.0.22"},
        ),
    ],
)
def test_no_packet_leaves_but_through_the_proxy(repository, tmp_path, restored, leaks):
    Authority(tmp_path).context([NAME])
    script = [sys.executable, "-m", "tests.web.browser.namespace", str(tmp_path), restored]
    done = subprocess.run(
        ["unshare", "--net", "--mount", *script], cwd=repository, check=True, timeout=120, stdout=subprocess.PIPE
    )
    report = json.loads(done.stdout)
    packets = set(report["packets"])
    assert "udp {}:{}".format(*CONTROL) in packets, "the capture is deaf"
    packets.discard("udp {}:{}".format(*CONTROL))
    assert packets >= leaks if leaks else packets == set()
    assert report["attempts"] == report["outcomes"]
    assert report["candidates"] == [], "a page learns addresses of this machine"
    assert "printer.local" in report["refused"]
