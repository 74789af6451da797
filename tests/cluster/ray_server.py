"""A Ray cluster on loopback, in a process of its own: Ray sets handlers of signals, and leaves files open.

Each line of standard input, in JSON, adds a node: its address, its working directory and the environment variables that
it is started with. Each is answered by a line that lists the node's processes; the first tells those of the head. Who
starts this process kills it and them.
"""

import contextlib
import json
import os
import secrets
import socket
import sys
import time
from typing import Any

from ray._private import services
from ray.cluster_utils import Cluster

_start_process = services.start_ray_process


def main() -> None:
    """Start the head at the address and the client port that are given, and then nodes."""
    address, port = sys.argv[1], int(sys.argv[2])
    services.start_ray_process = start_process
    claim = claim_ports()
    os.environ["RAY_CLIENT_PORTS"] = str(claim.getsockname()[1] + 1)
    each = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(
        initialize_head=True,
        connect=False,
        head_node_args={"ray_client_server_port": port, "include_dashboard": False, "node_ip_address": address} | each,
    )
    while True:  # Clients are refused at first.
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((address, port)):
            break
        time.sleep(0.05)
    answer(cluster.head_node)
    for line in sys.stdin:
        wanted = json.loads(line)
        os.environ.update(wanted["environment"])
        os.chdir(wanted["folder"])
        answer(cluster.add_node(node_ip_address=wanted["address"], **each))


def claim_ports() -> socket.socket:
    """Listen on the first of 100 ports, so that no other cluster takes this hundred."""
    while True:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", secrets.choice(range(12_000, 32_000, 100))))


def start_process(command: list[str], *arguments: Any, **options: Any) -> Any:
    """Start a process of Ray; for clients, the one whose ports no other cluster has."""
    ours = ["tests.cluster.ray_client_server" if word == "ray.util.client.server" else word for word in command]
    return _start_process(ours, *arguments, **options)


def answer(node: Any) -> None:
    processes = [process.process.pid for kind in node.all_processes.values() for process in kind]
    sys.stdout.write(f"{json.dumps(processes)}\n")
    sys.stdout.flush()


main()
