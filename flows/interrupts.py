"""Ending a run before its time: at once, in one line, and with nothing left behind."""

import os
import signal
import threading
from types import FrameType

import typer

from flows.reproduce import end_stages

PATIENCE = 10.0
"""Seconds that an interrupted run has to tell Prefect's server so."""
KEPT = "the stages that had finished are kept, and the next run goes on from there"


def end_on_signals() -> None:
    """End the run on SIGINT (Ctrl-C) and SIGTERM: its stages first, then the flow, within PATIENCE seconds.

    The status is 128 and the signal's number. For the main thread alone.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # once is enough
    typer.echo(f"Interrupted by {signal.Signals(number).name}: {KEPT}.", err=True)
    last = threading.Timer(PATIENCE, os._exit, [128 + number])
    last.daemon = True
    last.start()
    end_stages()
    raise SystemExit(128 + number)


def end_at_once(reason: str) -> None:
    """End this process where nothing can be told to anybody any more; guards end what it started."""
    typer.echo(f"Error: {reason} before the run did; {KEPT}.", err=True)
    os._exit(1)
