"""Ending a run before its time: at once, in one line, and with nothing left behind."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from flows.dvc_repo.reproduce import end_stages

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 10.0
"""Seconds that an interrupted run has to tell Prefect's server so."""
KEPT = "the stages that had finished are kept, and the next run goes on from there"


def end_on_signals() -> None:
    """End this process on SIGINT (Ctrl-C) and SIGTERM, with status 128 and the signal's number; in the main thread."""
    for number in SIGNALS:
        signal.signal(number, _leave)


@contextmanager
def ending_stages() -> Iterator[None]:
    """While this lasts, SIGINT and SIGTERM end the running stages, before whoever handled the signals until then.

    A flow waits for its stages, whatever it is told, and Prefect handles SIGTERM itself. PATIENCE seconds after the
    signal the process ends in any case. Outside the main thread, where no handler can be set, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        typer.echo(f"Interrupted by {signal.Signals(number).name}: {KEPT}.", err=True)
        last = threading.Timer(PATIENCE, os._exit, [128 + number])
        last.daemon = True
        last.start()
        end_stages()
        further = before[signal.Signals(number)]
        further(number, frame) if callable(further) else _leave(number, frame)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def end_at_once(reason: str) -> None:
    """End this process where nothing can be told to anybody any more; guards end what it started."""
    typer.echo(f"Error: {reason}: {KEPT}.", err=True)
    os._exit(1)
