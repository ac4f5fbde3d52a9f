"""A Prefect server on loopback for as long as one run takes, which ends with the run, however that ends."""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from flows.guard import guarded
from flows.server.deployment import API, PATIENCE, ServerError, answers

EPHEMERAL = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""What Prefect sets for the servers that it starts itself: no user interface, none of the services of a scheduler."""

Ended = Callable[[], object]


def is_needed() -> bool:
    """Whether PREFECT_API_URL names no server."""
    return API not in os.environ


def start_temporary_server(ended: Ended) -> Callable[[], None]:
    """Start a server and point Prefect at it, unless PREFECT_API_URL names one; returns what waits until it answers.

    It starts while the caller imports Prefect, and ends when this process exits: Prefect's threads send it what is
    left until then. ended: called, in another thread, where the server ends before: Prefect itself would ask it again
    for minutes. What waits raises ServerError where it does not start.
    """
    if not is_needed():
        return lambda: None
    url = f"http://127.0.0.1:{_free_port()}/api"
    process, over = _start(url), threading.Event()
    os.environ[API] = url

    def end() -> None:
        over.set()
        process.terminate()
        process.wait()

    atexit.register(end)
    return lambda: _wait(process, url, over, ended)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _start(url: str) -> "subprocess.Popen[bytes]":
    port = url.rpartition(":")[2].partition("/")[0]
    server = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    where = ["--host", "127.0.0.1", "--port", port, "--log-level", "error", "--lifespan", "on"]
    # A session of its own: an interrupt from the keyboard is for the run, which then ends the server.
    return subprocess.Popen(guarded([*server, *where]), env={**os.environ, **EPHEMERAL}, start_new_session=True)


def _wait(process: "subprocess.Popen[bytes]", url: str, over: threading.Event, ended: Ended) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answers(f"{url}/health"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"a temporary Prefect server did not start at {url} within {PATIENCE:g} s")
        time.sleep(0.1)
    threading.Thread(target=_watch, args=(process, over, ended), daemon=True).start()


def _watch(process: "subprocess.Popen[bytes]", over: threading.Event, ended: Ended) -> None:
    while not over.wait(1.0):
        if process.poll() is not None:
            ended()
            return
