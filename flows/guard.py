"""Run a command that ends when the process that asked for it does: `python guard.py PARENT COMMAND ...`.

A killed process cannot clean up, and its children live on: a server that nobody stops, a training that nobody waits
for. This process looks twice a second whether its parent is still there, and ends the command, with all that it
started, where it is not, and where it is itself asked to end (SIGTERM, SIGINT). Where it is killed itself, Linux asks
the command to end. It imports nothing of this project, so that it costs next to nothing.
"""

import ctypes
import os
import signal
import subprocess
import sys

import psutil

KILLED = 128
"""A command that a signal has ended has this exit status plus the signal's number."""
INTERVAL, PATIENCE = 0.5, 8.0
"""Seconds between two looks; and between asking the command to end, and killing it."""


def guard(parent: int, command: list[str]) -> int:
    """Run the command to its end, and return its exit status as a shell does; 1 where it had to be ended."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: asked.append(received))
    with subprocess.Popen(command, preexec_fn=_end_with_parent) as child:
        while child.poll() is None:
            if asked or os.getppid() != parent:
                end(child)
                return 1
            try:
                child.wait(INTERVAL)
            except subprocess.TimeoutExpired:
                continue
    return child.returncode if child.returncode >= 0 else KILLED - child.returncode


def _end_with_parent() -> None:
    """Have the system send SIGTERM to this process when its parent dies (prctl, PR_SET_PDEATHSIG); Linux alone can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def end(child: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started: ask first, kill what is left after a while."""
    try:
        root = psutil.Process(child.pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for process in family:
            try:
                ask(process)
            except psutil.NoSuchProcess:
                continue  # it has already ended
        _, family = psutil.wait_procs(family, timeout=PATIENCE)


def guarded(command: list[str]) -> list[str]:
    """The command line that runs a command under the guard of this process."""
    return [sys.executable, __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))
