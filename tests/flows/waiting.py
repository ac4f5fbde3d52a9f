"""Waiting for what other processes do, and a port for them."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


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


@contextmanager
def running_dvc(folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process whose command line is that of DVC, in a folder, while this lasts: it may be writing there."""
    command = ["dvc", "-c", "import time; time.sleep(60)", "repro"]
    process = subprocess.Popen(command, executable=sys.executable, cwd=folder)
    try:
        wait_until(lambda: "dvc" in psutil.Process(process.pid).cmdline()[:1], 10)
        yield process
    finally:
        process.kill()
        process.wait()
