"""`python -m tests.flows.notifying SERVER URL ...`: in a process of its own, since Prefect keeps to one server each."""

import sys

from flows.automations import notify
from flows.deployment import client_of

if __name__ == "__main__":
    with client_of(sys.argv[1]) as client:
        for url in sys.argv[2:]:
            notify(client, url)
