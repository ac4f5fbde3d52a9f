"""`python -m tests.flows.server.notifying SERVER URL ...`: a process of its own, since Prefect keeps to one server."""

import sys

from flows.server.automations import notify
from flows.server.deployment import client_of

if __name__ == "__main__":
    with client_of(sys.argv[1]) as client:
        for url in sys.argv[2:]:
            notify(client, url)
