"""A tracking server takes the place of the default store, and MLflow's own server answers predictions."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.registry.register import find_version, stands
from pipeline.tracking.store import open_store

pytestmark = pytest.mark.slow


@contextmanager
def server(arguments, health, log, **variables):
    """Run `mlflow <arguments> --port <free port>` until `health` answers; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # `models serve` calls uvicorn by its name
    environment = {**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", **variables}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            deadline = time.monotonic() + 120
            while not answers(f"{address}{health}"):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield address
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)  # the session started above: the server and its workers
                process.wait(timeout=30)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def test_registering_in_a_server(register_into, empty_store, tmp_path, monkeypatch):
    backend = f"sqlite:///{tmp_path / 'server.db'}"
    (tmp_path / "server.db").write_bytes(empty_store.read_bytes())
    arguments = ["server", "--backend-store-uri", backend, "--artifacts-destination", str(tmp_path / "artifacts")]
    with server([*arguments, "--workers", "1"], "/health", tmp_path / "server.log") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        checkout = tmp_path / "checkout"
        checkout.mkdir()
        store = open_store(checkout)
        first = register_into(store)
        assert register_into(store) == first
        assert find_version(store, first.model, first.digest) == 1
        assert stands(store, first)
        assert list(checkout.iterdir()) == []  # everything went to the server
        assert list((tmp_path / "artifacts").rglob("weights.safetensors"))


def test_mlflow_models_serve(store, registering, tmp_path):
    registering()
    arguments = ["models", "serve", "-m", "models:/semicircles@champion", "--env-manager", "local"]
    settings = {"MLFLOW_TRACKING_URI": store.uri, "SURROGATE_ANSWER_ROWS": "1000"}
    with server(arguments, "/ping", tmp_path / "serve.log", **settings) as address:
        params = {"hyperparameter": 0.3, "draws": 2, "seed": 1}
        rows = invoke(address, {"dataframe_split": {"columns": ["category"], "data": [[0], [3]]}, "params": params})
        assert [(r["row"], r["draw"]) for r in rows["predictions"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        several = {"dataframe_records": [{"category": 0}], "params": {"s": [0.1, 0.5], "return_bands": True}}
        assert [r["s"] for r in invoke(address, several)["predictions"]] == [0.1, 0.5]
        one = {"category": 0}
        for record, given, message in (
            (one, {"hyperparameter": 2.0}, "s = 2.0 lies outside the anchors' range"),
            (one, {}, "s is not given"),
            (one, {"s": 0.3}, "Value must be a 1D array"),
            (one, {"hyperparameter": 0.3, "draws": 10**9}, "more than the 1000 rows"),
            (one, {"hyperparameter": 0.3, "drwas": 2}, "did you mean 'draws'?"),
            (one | {"quantile": 0.3}, {}, "columns ['quantile'] are unknown"),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                invoke(address, {"dataframe_records": [record], "params": given})
            assert refused.value.code == 400
            assert message in json.load(refused.value)["message"]


def invoke(address, body):
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
