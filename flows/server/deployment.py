"""What a running server is told of this project: pools, deployments, automations; and the processes of a host.

`serve` and `work` become the server, or a worker: what `make deploy` starts in the background, what systemd's units
start (`flows.server.units`), and what another machine runs.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flows.environment import CHECKOUT
from pipeline.errors import ConfigurationError, SweepError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

POOLS = {"cpu": None, "gpu": 1}
"""Each pool with the number of runs that one of its workers takes at a time (None: any): a GPU is not shared."""

API = "PREFECT_API_URL"
"""Environment variable that tells Prefect where its server is."""

PATIENCE = 300.0
"""Seconds until a server has to answer: on a busy machine, the first start creates the database for minutes."""


class ServerError(SweepError, RuntimeError):
    """The server or a worker did not start."""


def loopback(port: int) -> str:
    """The URL of a server of this host."""
    return f"http://127.0.0.1:{port}"


def server_url(port: int) -> str:
    """The URL of the server that PREFECT_API_URL names, else of one of this host."""
    return os.environ[API].removesuffix("/api") if API in os.environ else loopback(port)


def answers(url: str) -> bool:
    """Whether something answers at a URL within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def wait_for(url: str, runs: Callable[[], bool], where: str) -> None:
    """Wait until the server at a URL answers; ServerError where it does not in time, or no longer `runs`."""
    deadline = time.monotonic() + PATIENCE
    while not answers(f"{url}/api/health"):
        if not runs() or time.monotonic() > deadline:
            raise ServerError(f"the server did not start at {url}; see {where}")
        time.sleep(0.2)


def publish(root: Path, url: str, notify: str | None = None) -> None:
    """Create pools, deployments and automations, and end the runs of an earlier life of this host: before workers run.

    notify: the URL that failures are posted to, "off", or None: as before.
    """
    from flows.server.automations import ensure, silent_runs
    from flows.server.automations import notify as post_to
    from flows.server.zombies import crash_dead_runs, free_slots

    for pool in POOLS:
        _prefect(root, url, "work-pool", "create", pool, "--type", "process", "--overwrite")
    _prefect(root, url, "--no-prompt", "deploy", "--all")
    with client_of(url) as client:
        ensure(client, silent_runs())
        if notify is not None:
            post_to(client, notify)
        crash_dead_runs(client, root, POOLS)
        free_slots(client)


def client_of(url: str) -> "SyncPrefectClient":
    """A client of the server at a URL; this process then speaks to no other."""
    os.environ[API] = f"{url}/api"
    from prefect.client.orchestration import SyncPrefectClient

    return SyncPrefectClient(os.environ[API])


def serve(port: int) -> None:
    """Become the server, on loopback; does not return."""
    from flows.server.automations import forget_heartbeats

    os.environ.setdefault("PREFECT_UI_URL", loopback(port))  # what messages link to
    forget_heartbeats()
    _become("server", "start", "--host", "127.0.0.1", "--port", str(port))


def work(root: Path, url: str, pool: str) -> None:
    """Become the checkout's worker of a pool on this host, once the server answers; does not return.

    Runs of an earlier worker whose process is gone are set to Crashed before. ConfigurationError for another pool.
    """
    from flows.server.zombies import crash_dead_runs, worker_name

    if pool not in POOLS:
        raise ConfigurationError(f"pool = {pool!r} is none of this project's; it is one of {sorted(POOLS)}")
    wait_for(url, lambda: True, f"its log, or {API}")
    with client_of(url) as client:
        crash_dead_runs(client, root, [pool])
    os.environ.setdefault(CHECKOUT, str(root))
    limit = POOLS[pool]
    limits = [] if limit is None else ["--limit", str(limit)]
    _become("worker", "start", "--pool", pool, "--type", "process", "--name", worker_name(pool, root), *limits)


def _become(*arguments: str) -> None:
    """Replace this process by `prefect ARGUMENTS`: it keeps its id."""
    # Prefect ends a worker on SIGTERM by a SIGINT to itself, which what a script starts in the background ignores.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *arguments])


def _prefect(root: Path, url: str, *arguments: str) -> None:
    command, environment = [sys.executable, "-m", "prefect", *arguments], {**os.environ, API: f"{url}/api"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"prefect {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
