"""A Ray cluster on loopback, in a process of its own: Ray sets handlers of signals, and leaves files open.

Reads lines of JSON from standard input, each of which adds a node: the environment variables and the working directory
that it is started with, and its address. Answers with a line that lists the processes of the node. Whoever starts it kills it and them.
"""

import json
import os
import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Start the head, on the address and the port that are given, and then what is asked for."""
    address, port = sys.argv[1], int(sys.argv[2])
    each = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(
        initialize_head=True,
        connect=False,
        head_node_args={"ray_client_server_port": port, "include_dashboard": False, "node_ip_address": address} | each,
    )
    answer(cluster.head_node)
    for line in sys.stdin:
        wanted = json.loads(line)
        os.environ.update(wanted["environment"])
        os.chdir(wanted["folder"])
        answer(cluster.add_node(node_ip_address=wanted["address"], **each))


def answer(node) -> None:
    processes = [process.process.pid for kind in node.all_processes.values() for process in kind]
    print(json.dumps(processes), flush=True)


main()
