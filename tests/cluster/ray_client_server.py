"""Ray's client server, whose ports for clients begin at ``RAY_CLIENT_PORTS``.

Ray begins at 23000 on 127.0.0.1 for each cluster, and looks seconds before it listens: of two clusters of one machine,
one then serves a client of the other.
"""

import os

from ray.util.client.server import proxier
from ray.util.client.server.server import main

proxier.MIN_SPECIFIC_SERVER_PORT = int(os.environ["RAY_CLIENT_PORTS"])
proxier.MAX_SPECIFIC_SERVER_PORT = proxier.MIN_SPECIFIC_SERVER_PORT + 99
main()
