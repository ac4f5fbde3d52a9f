"""Waiting for what other processes do, and a port for them."""

import socket
import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], seconds: float) -> None:
    """Return as soon as it is true; AssertionError where it is not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
