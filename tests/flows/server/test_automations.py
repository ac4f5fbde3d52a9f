"""Prefect's automations, at a server: runs that fall silent are crashed, and failures are posted to a webhook."""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Completed, Crashed, Failed, Running

from flows.server.automations import BLOCK, HEARTBEAT, SILENT, TOLD, check_url, ensure, silent_runs
from pipeline.errors import ConfigurationError
from tests.flows.server.serving import client_at, nothing, serving, stage
from tests.flows.waiting import wait_until
from tests.paths import CHECKOUT

PATIENCE = 60.0
SHORT = timedelta(seconds=30)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "file:///etc/passwd", "example.org/hook", "https://", "", "on"])
def test_only_web_addresses_are_posted_to(url):
    with pytest.raises(ConfigurationError, match="has to begin with http:// or https:// and name a host; or: off"):
        check_url(url)


def test_a_refusal_keeps_the_secret():
    with pytest.raises(ConfigurationError) as raised:
        check_url("slack://token-of-mine")
    assert "token-of-mine" not in str(raised.value)


def test_web_addresses_and_off_are_taken():
    for url in ("http://127.0.0.1:8000/hook", "https://example.org", "off"):
        assert check_url(url) == url


def beat(client: SyncPrefectClient, run, ago: timedelta) -> None:
    """A heartbeat of a run, as it was sent a while ago."""
    event = {
        "event": HEARTBEAT,
        "occurred": (datetime.now(UTC) - ago).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}"},
        "id": str(uuid4()),
    }
    client.request("POST", "/events", json=[event])


@pytest.mark.slow
def test_silent_runs_are_crashed_and_a_server_that_was_down_blames_nobody(new_checkout):
    checkout = new_checkout()
    with serving(checkout) as url, client_at(url) as client:
        ensure(client, silent_runs())
        ensure(client, silent_runs(SHORT))
        assert len(client.read_automations_by_name(SILENT)) == 1
        silent, living, ended = (client.create_flow_run(nothing, state=Running()) for _ in range(3))
        client.set_flow_run_state(ended.id, Completed(name="NotPromoted"))

        def silent_is_crashed() -> bool:
            beat(client, living, timedelta())
            return bool(client.read_flow_run(silent.id).state.is_crashed())

        time.sleep(6)  # a server takes seconds to know a new automation
        beat(client, silent, timedelta())
        wait_until(silent_is_crashed, 3 * SHORT.total_seconds())
        assert client.read_flow_run(silent.id).state.message == "No heartbeat for 0:00:30."
        assert client.read_flow_run(living.id).state.is_running()
        assert client.read_flow_run(ended.id).state.name == "NotPromoted"
        wait_until(lambda: expected(checkout), PATIENCE)
    past = datetime.now(UTC) - timedelta(seconds=20)
    with closing(sqlite3.connect(checkout.root / ".prefect" / "prefect.db")) as database, database:
        database.execute("UPDATE automation_bucket SET end = ?", [past.strftime("%Y-%m-%d %H:%M:%S.%f")])
    with serving(checkout) as url, client_at(url) as client:
        assert not expected(checkout)
        time.sleep(15)  # the server looks every five seconds
        assert client.read_flow_run(living.id).state.is_running()


def expected(checkout) -> int:
    """How many runs a server expects a heartbeat of."""
    with closing(sqlite3.connect(checkout.root / ".prefect" / "prefect.db")) as database:
        return int(database.execute("SELECT count(*) FROM automation_bucket").fetchone()[0])


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web server on loopback: its URL, and what was posted to it."""
    posted: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}/hook", posted
        web.shutdown()


def notify(checkout, *arguments: str) -> None:
    """In a process of its own, since Prefect keeps to one server in each."""
    command = [sys.executable, "-m", "tests.flows.server.notifying", *arguments]
    subprocess.run(command, cwd=CHECKOUT, env=checkout.environment, check=True)


@pytest.mark.slow
def test_failures_of_deployed_runs_are_posted_once(new_checkout):
    checkout = new_checkout()
    with serving(checkout) as url, listening() as (hook, posted), client_at(url) as client:
        of_sweep, of_stage = (client.create_flow(f) for f in (nothing, stage))
        told = client.create_deployment(of_sweep, name="nightly", entrypoint="x:y")
        quiet = client.create_deployment(of_stage, name="gpu", entrypoint="x:y")
        notify(checkout, url, "https://example.org/former", hook)
        assert len(client.read_automations_by_name(TOLD)) == 1

        time.sleep(6)  # a server takes seconds to know a new automation

        def ends(deployment, state):
            run = client.create_flow_run_from_deployment(deployment, state=Running())
            client.set_flow_run_state(run.id, state, force=True)
            return run

        ends(told, Completed())
        ends(quiet, Failed())
        failed = ends(told, Failed(message='a "quoted" reason\nin two lines: Â < λ'))
        crashed = ends(told, Crashed(message="its host is gone"))
        wait_until(lambda: len(posted) >= 2, PATIENCE)
        time.sleep(3)
        assert {p["run"] for p in posted} == {failed.name, crashed.name}
        assert len(posted) == 2
        first = next(p for p in posted if p["run"] == failed.name)
        assert first["text"] == f'Run {failed.name} of nightly: Failed. a "quoted" reason\nin two lines: Â < λ'
        assert first["state"] == "Failed"
        assert str(failed.id) in first["url"]
        document = client.read_block_document_by_name(BLOCK, "webhook", include_secrets=False)
        assert hook not in document.model_dump_json()
        notify(checkout, url, "off")
        assert client.read_automations_by_name(TOLD) == []
