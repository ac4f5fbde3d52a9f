"""A Prefect server on loopback without workers, as `python -m flows serve` runs it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient

from flows.server.deployment import loopback, wait_for
from tests.flows.conftest import Checkout
from tests.flows.waiting import free_port


@contextmanager
def serving(checkout: Checkout) -> Iterator[str]:
    """The server's URL while the context lasts."""
    port = free_port()
    command = [sys.executable, "-m", "flows", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=checkout.root, env=checkout.environment) as process:
        try:
            wait_for(loopback(port), lambda: process.poll() is None, "above")
            yield loopback(port)
        finally:
            process.terminate()


def client_at(url: str) -> SyncPrefectClient:
    return SyncPrefectClient(f"{url}/api")


@flow
def nothing() -> None:
    """Never run: its runs are only told to be in some state."""


@flow
def stage() -> None:
    """Likewise, of the name of the flow of single stages."""
