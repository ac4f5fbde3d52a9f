"""A Prefect server on loopback for as long as one run takes, which ends with the run, however that ends."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flows.guard import guarded
from flows.server import API, PATIENCE, ServerError, answers

EPHEMERAL = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""What Prefect sets for the servers that it starts itself: no user interface, none of the services of a scheduler."""

Ended = Callable[[], object]


@contextmanager
def temporary_server(ended: Ended) -> Iterator[Callable[[], None]]:
    """Start a server and point Prefect at it, unless PREFECT_API_URL names one; yields what waits until it answers.

    It starts while the caller imports Prefect. ended: called, in another thread, where the server ends before the
    run: Prefect itself would ask it again for minutes. What waits raises ServerError where it does not start.
    """
    if API in os.environ:
        yield lambda: None
        return
    url = f"http://127.0.0.1:{_free_port()}/api"
    process = _start(url)
    os.environ[API] = url
    over = threading.Event()
    try:
        yield lambda: _wait(process, url, over, ended)
    finally:
        over.set()
        process.terminate()
        process.wait()
        del os.environ[API]


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
