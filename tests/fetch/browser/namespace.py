"""Script that opens a page which tries to bypass the proxy, and prints all captured packets as JSON.

``test_packets.py`` runs it under ``unshare --net --mount``.
"""

import contextlib
import http.server
import json
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pixmill.fetch import Network
from pixmill.fetch.browser import UnreachableError, find_browser, open_browser, options, visit
from pixmill.fetch.proxy import Proxy

NAME = "x.example"
CONTROL = ("192.0.2.9", 9)
"""Destination of a control datagram, which proves that the capture works (RFC 5737)."""

SECONDS = 6.0
"""Duration of the capture; a search for cast devices sends its datagrams within a second or two."""

PAGE = b"""<!doctype html><title>Trap</title>
<link rel=dns-prefetch href="//prefetched.example"> <link rel=preconnect href="https://preconnected.example">
<img src="https://printer.local/x"> <video id=video src="/video"></video>
<script>
const pending = [
  ...["https://x.example/", "cast:CC1AD845?clientId=1", "cast-dial:YouTube?dialPostData=x"].map(
    url => async () => {
      const request = new PresentationRequest([url]);
      (await request.getAvailability()).onchange = () => 0;
      await request.reconnect("1");
    }),
  () => document.getElementById("video").remote.watchAvailability(() => 0),
  () => new WebTransport("https://x.example:443/quic").ready,
  () => fetch("/again"),
  async () => {
    const iceServers = ["stun:192.0.2.1:3478", "stun:stun.example:3478", "turn:192.0.2.1:3478?transport=udp"].map(
      urls => ({urls, username: "u", credential: "c"}));
    const [one, two] = [new RTCPeerConnection({iceServers}), new RTCPeerConnection({iceServers})];
    one.onicecandidate = ({candidate}) => {
      if (candidate && candidate.candidate) window.candidates.push(candidate.candidate);
      two.addIceCandidate(candidate);
    };
    one.createDataChannel("x");
    await one.setLocalDescription();
    await two.setRemoteDescription(one.localDescription);
    await two.addIceCandidate({candidate: "candidate:1 1 udp 2113937151 printer.local 9 typ host", sdpMid: "0"});
    await two.addIceCandidate({candidate: "candidate:2 1 udp 2113937151 192.0.2.1 9 typ host", sdpMid: "0"});
    await two.setLocalDescription();
    await one.setRemoteDescription(two.localDescription);
  },
];
window.outcomes = [], window.candidates = [];
for (const attempt of pending)
  Promise.resolve().then(attempt).then(() => window.outcomes.push("done"), error => window.outcomes.push(`${error}`));
</script>"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve the page at all paths, and announce HTTP/3."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Alt-Svc", 'h3=":443"; ma=86400')
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serve from daemon threads."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Do nothing; browsers close unneeded connections."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port


def connect_namespace() -> socket.socket:
    """Create a default route through a veth pair, and return a capture socket at its other end."""
    for command in (
        "link set lo up",
        "link add inner type veth peer name outer",
        "addr add 10.1.0.2/24 dev inner",
        "link set inner up",
        "link set outer up",
        "neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev inner",
        "route add default via 10.1.0.1",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    time.sleep(1)  # a browser that starts while a link comes up may consider itself offline
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as resolver:
        resolver.write("nameserver 10.1.0.53\n")
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    capture.bind(("outer", 0))
    return capture


def captured(capture: socket.socket) -> list[str]:
    """Return the captured packets, without the kernel's ICMPv6."""
    packets = []
    capture.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, (_, _, direction, *_) = capture.recvfrom(65535)
            if direction == socket.PACKET_OUTGOING:
                continue
            kind = struct.unpack("!H", frame[12:14])[0]
            payload = frame[14:]
            if kind == 0x0800:
                port = struct.unpack("!H", payload[22:24])[0]
                protocol = {2: "igmp", 6: "tcp", 17: "udp"}.get(payload[9], str(payload[9]))
                packets.append(
                    f"{protocol} {socket.inet_ntoa(payload[16:20])}{f':{port}' if port else ''}"
                )
            elif kind != 0x86DD:
                packets.append(f"ethertype {kind:04x}")
            elif payload[6] not in (0, 58):
                packets.append(
                    f"IPv6 {payload[6]} {socket.inet_ntop(socket.AF_INET6, payload[24:40])}"
                )
    return packets


def main(folder: Path, restored: str) -> None:
    """Open the page with some disabled browser features re-enabled, and print a report."""
    capture = connect_namespace()
    for feature in restored.split(","):
        options._SWITCHES = tuple(each.replace(feature, "Unknown") for each in options._SWITCHES)

    def refuse(host: str, *arguments: object, **named: object) -> list[object]:
        if host in ("127.0.0.1", "localhost", "::1"):
            return look_up(host, *arguments, **named)
        raise socket.gaierror(socket.EAI_NONAME, "unknown name")

    look_up = socket.getaddrinfo
    socket.getaddrinfo = refuse
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.sendto(b"x", CONTROL)
    authority = folder / "authority.pem"
    with (
        serving(folder) as port,
        Proxy(Network(served={f"{NAME}:443": port})) as proxy,
        open_browser(
            find_browser(), proxy=proxy.url, profile=folder / "profiles", authority=authority
        ) as driver,
    ):
        deadline = time.monotonic() + 30
        while True:
            try:
                visit(driver, f"https://{NAME}/")
                break
            except UnreachableError as error:
                # On a busy machine the browser may not have noticed the network yet.
                if "ERR_INTERNET_DISCONNECTED" not in error.message or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        time.sleep(SECONDS)
        attempts, outcomes, candidates = driver.execute_script(
            "return [pending.length, outcomes.length, candidates]"
        )
        refused = sorted({each.host for each in proxy.refusals})
    report = {
        "attempts": attempts,
        "outcomes": outcomes,
        "candidates": candidates,
        "refused": refused,
    }
    sys.stdout.write(json.dumps(report | {"packets": captured(capture)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
