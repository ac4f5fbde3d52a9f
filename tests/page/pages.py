"""Pages of drifts, whose answers are known, and a server for a page."""

import threading
import time
from contextlib import contextmanager
from itertools import product

import uvicorn

from pipeline.page.live import HOST, page_app
from pipeline.page.shown import Shown
from tests.flows.waiting import free_port
from tests.report.pages import fitted
from tests.report.planes import SCATTERED, Drift, schema_of, score_of

BOX = tuple(product((0.0, 0.5, 1.0), (0.0, 2.0), (0.0, 1.0)))
HELD_OUT = (0.25, 1.0, 0.5)
TRIANGLE = (*SCATTERED[:3], SCATTERED[4])
"""With a hull that has less than half of its range."""


def made(vertices, held_out, outputs=2, *, coordinates=3, live=True, picture="scatter"):
    """The page of a deterministic drift, which is affine in λ, and that drift."""
    drift = Drift(vertices, schema_of(coordinates, outputs, deterministic=True, picture=picture))
    truth = score_of(drift, held_out=held_out)
    return Shown.of(fitted(truth, vertices), truth=truth, live=live), drift


@contextmanager
def served(shown):
    """The address of a page that is served."""
    port = free_port()
    running = uvicorn.Server(uvicorn.Config(page_app(shown, "a sweep"), host=HOST, port=port, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not running.started and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://{HOST}:{port}/"
    running.should_exit = True
    thread.join(30)
