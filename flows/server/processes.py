"""A loopback server with workers for every pool, for one checkout: started, recorded by process id, and stopped."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from flows.environment import CHECKOUT, STATE
from flows.server.automations import OFF, check_url
from flows.server.automations import notify as post_to
from flows.server.deployment import API, POOLS, ServerError, answers, client_of, loopback, publish, wait_for
from flows.server.units import installed, uninstall
from pipeline.storage.atomic import write_json

SERVER = "server"
RECORD = STATE / "processes.json"


@dataclass(frozen=True)
class Started:
    """A process that `start` started. created: its start time, since process ids are used again."""

    name: str
    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """The process, or None where it has ended (its id may be in use again)."""
        try:
            process = psutil.Process(self.pid)
            return process if process.create_time() == self.created else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Running:
    """The processes that `start` started, and the server's URL."""

    url: str
    processes: tuple[Started, ...]

    @property
    def ended(self) -> tuple[str, ...]:
        """The names of the processes that run no more."""
        return tuple(started.name for started in self.processes if started.process() is None)


def start(root: Path, port: int, notify: str | None = None) -> str:
    """Start server and workers and deploy prefect.yaml; where the server still runs, replace the workers that ended.

    notify: as of `publish`; where all of them are running, that alone is done. ServerError where there is nothing to do
    then, or one does not start.
    """
    if notify is not None:
        check_url(notify)
    running = _read(root)
    if running is not None and (ended := running.ended):
        if SERVER not in ended:
            return _replace_workers(root, running, ended, notify)
        stop(root)  # workers without their server
    elif running is not None and notify is not None:
        return _post_failures(running, notify)
    elif running is not None:
        raise ServerError(f"{root / RECORD} lists processes that are still running; stop them first: make deploy-stop")
    url = loopback(port)
    if answers(url):
        raise ServerError(f"port = {port}: the port is already in use; choose another: make deploy PORT=4201")
    (root / STATE).mkdir(exist_ok=True)
    try:
        server = _background(root, url, SERVER, "serve", "--port", str(port))
        _record(root, Running(url, (server,)))
        wait_for(url, lambda: server.process() is not None, str(root / STATE / "server.log"))
        publish(root, url, notify)
        _start_workers(root, Running(url, (server,)), POOLS)
    except BaseException:
        stop(root)
        raise
    return f"Prefect runs at {url}, with a worker for each pool; logs are in {STATE}/. Stop them: make deploy-stop"


def _replace_workers(root: Path, running: Running, ended: Collection[str], notify: str | None) -> str:
    """Start the workers of a running server that have ended; the others, and what they run, go on."""
    if notify is not None:
        _post_failures(running, notify)
    alive = Running(running.url, tuple(p for p in running.processes if p.name not in ended))
    _start_workers(root, alive, [pool for pool in POOLS if f"worker-{pool}" in ended])
    return f"Prefect runs at {running.url}; {', '.join(ended)} had ended, and has been started again"


def _post_failures(running: Running, notify: str) -> str:
    """Have failures posted by a server that runs."""
    with client_of(running.url) as client:
        post_to(client, notify)
    return f"Prefect runs at {running.url}; failed runs are posted to {'nobody' if notify == OFF else 'that URL'}"


def _start_workers(root: Path, running: Running, pools: Iterable[str]) -> None:
    for pool in pools:
        worker = _background(root, running.url, f"worker-{pool}", "work", pool)
        running = Running(running.url, (*running.processes, worker))
        _record(root, running)


def _background(root: Path, url: str, name: str, *arguments: str) -> Started:
    """Start `python -m flows ARGUMENTS` in the background, with its output in a log of that name."""
    with (root / STATE / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "flows", *arguments],
            cwd=root,
            env={**os.environ, API: f"{url}/api", CHECKOUT: str(root)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Started(name, child.pid, psutil.Process(child.pid).create_time())


def _record(root: Path, running: Running) -> None:
    write_json(root / RECORD, asdict(running))


def stop(root: Path) -> str:
    """Stop what `start` recorded: workers first, then the server, each with its child processes; and remove units."""
    removed, running = uninstall(root), _read(root)
    if running is None:
        return removed or "Nothing is running."
    for started in reversed(running.processes):
        if process := started.process():
            family = [process, *process.children(recursive=True)]
            for member in family:
                _signal(member, kill=False)
            _, alive = psutil.wait_procs(family, timeout=20)
            for member in alive:
                _signal(member, kill=True)
    (root / RECORD).unlink(missing_ok=True)
    return "Stopped " + ", ".join(started.name for started in running.processes) + "."


def use_running_server(root: Path) -> None:
    """Point Prefect at the server that `start` or a unit started, so that two servers never share one database."""
    running = _read(root)
    url = running.url if running else installed(root)[0]
    if url and answers(url):
        os.environ.setdefault(API, f"{url}/api")


def _read(root: Path) -> Running | None:
    """The record of `start`, or None where none of its processes runs any more."""
    path = root / RECORD
    if not path.is_file():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    processes = tuple(Started(**entry) for entry in document["processes"])
    return Running(document["url"], processes) if any(p.process() for p in processes) else None


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return  # it has already ended
