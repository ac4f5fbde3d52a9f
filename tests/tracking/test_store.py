import os
import socket
import threading
import time
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import pipeline.tracking.store as store_module
from pipeline.errors import RegistryError
from pipeline.tracking.store import URI_VARIABLE, check_reachable, open_store


def test_the_default_store_lies_in_the_checkout(store, tmp_path):
    assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.artifacts == (tmp_path / "mlartifacts").as_uri()


def test_the_environment_names_another_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    store = open_store(tmp_path)
    assert store.uri == "http://127.0.0.1:5000"
    assert store.artifacts is None


def test_a_store_that_cannot_be_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://store")
    with pytest.raises(
        RegistryError, match=r"nonsense://store cannot be opened as an MLflow store.*MLFLOW_TRACKING_URI"
    ):
        open_store(tmp_path).client()


@pytest.mark.parametrize("name", ["mlflow.db", "absent/mlflow.db"])
def test_a_database_that_is_none_or_cannot_be_made(tmp_path, monkeypatch, name):
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/{name}")
    with pytest.raises(RegistryError, match=rf"{name} cannot be opened as an MLflow store \(.*\); check the store"):
        open_store(tmp_path).client()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_database_that_cannot_be_written(store, tmp_path):
    (tmp_path / "mlflow.db").chmod(0o400)
    with pytest.raises(RegistryError, match=r"readonly database.*check the store"):
        store.client()


def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(
            RegistryError, match=r"^http://127.0.0.1:\d+ cannot be opened .*MLFLOW_TRACKING_URI"
        ) as caught:
            open_store(tmp_path).client()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",  # the discard port: nobody listens
        "postgresql://user:secret@127.0.0.1:9/mlflow",
        "mysql+pymysql://user@127.0.0.1:9/mlflow",
        "http://no-such-host.invalid:5000",
        "http://127.0.0.1:not-a-port",
    ],
)
def test_a_store_that_nobody_answers_for_is_found_in_seconds(uri, monkeypatch, tmp_path):
    monkeypatch.setenv(URI_VARIABLE, uri)
    started = time.monotonic()
    with pytest.raises(RegistryError, match=r"cannot be reached .* unset MLFLOW_TRACKING_URI") as caught:
        check_reachable(open_store(tmp_path))
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(("status", "reached"), [(200, True), (401, True), (404, True), (503, False)])
def test_a_server_that_answers_is_reached(status, reached, monkeypatch, tmp_path):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/mlflow/health"
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request).start()
        monkeypatch.setenv(URI_VARIABLE, f"http://127.0.0.1:{server.server_port}/mlflow/")
        with nullcontext() if reached else pytest.raises(RegistryError, match="503"):
            check_reachable(open_store(tmp_path))


def test_a_server_that_is_silent_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(store_module, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(URI_VARIABLE, f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(RegistryError, match="timed out"):
            check_reachable(open_store(tmp_path))


def test_the_checkouts_own_store_is_reached_whether_it_exists_or_not(tmp_path):
    check_reachable(open_store(tmp_path))
    assert not (tmp_path / "mlflow.db").exists()
    (tmp_path / "mlflow.db").write_text("no database, and long enough to be none" * 10)
    with pytest.raises(RegistryError, match="file is not a database"):
        check_reachable(open_store(tmp_path))
