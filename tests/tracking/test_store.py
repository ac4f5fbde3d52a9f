import os
import socket

import pytest

from pipeline.errors import RegistryError
from pipeline.tracking.store import open_store


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
