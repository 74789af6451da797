"""No packet of a browser in a network namespace bypasses the proxy."""

import contextlib
import json
import subprocess
import sys

import pytest

from tests.certificates import Authority
from tests.fetch.browser.namespace import CONTROL, NAME

pytestmark = [pytest.mark.browser, pytest.mark.linux, pytest.mark.slow]


LEAKS = {
    "nothing": set(),
    # Control for the first case, which a broken capture or page would pass.
    "MediaRouter,WebRtcHideLocalIpsWithMdns": {
        "udp 239.255.255.250:1900",
        "udp 224.0.0.251:5353",
        "igmp 224.0.0.22",
    },
}
"""Packets that leave the namespace, by the browser features that are re-enabled."""


def test_all_packets_go_through_the_proxy(repository, tmp_path):
    # They run concurrently, since they mostly wait.
    with contextlib.ExitStack() as stack:
        captures = {}
        for number, restored in enumerate(LEAKS):
            folder = tmp_path / str(number)
            folder.mkdir()
            Authority(folder).context([NAME])
            script = [sys.executable, "-m", "tests.fetch.browser.namespace", str(folder), restored]
            command = ["unshare", "--net", "--mount", *script]
            captures[restored] = stack.enter_context(
                subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE)
            )
            stack.callback(captures[restored].kill)
        outputs = {
            restored: capture.communicate(timeout=120)[0] for restored, capture in captures.items()
        }
    for restored, leaks in LEAKS.items():
        report = json.loads(outputs[restored])
        packets = set(report["packets"])
        assert "udp {}:{}".format(*CONTROL) in packets, "the capture does not work"
        packets.discard("udp {}:{}".format(*CONTROL))
        assert packets >= leaks if leaks else packets == set()
        assert report["attempts"] == report["outcomes"]
        assert report["candidates"] == [], "a page learns addresses of this machine"
        assert "printer.local" in report["refused"]
