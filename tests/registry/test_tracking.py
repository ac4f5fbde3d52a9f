import os
import socket
import subprocess

import pytest

from pipeline.errors import RegistryError
from pipeline.registry.tracking import Evidence, evidence_run, experiment_id, metric_values, open_store

PARAMS = {"name": "small", "sweep": {"anchors": [0.0, 1.0]}, "network": None}
METRICS = {"mean_error": {"surrogate": 0.25}, "error": {"surrogate": {"0.1": 0.5}}, "measure": "MSE", "fine": True}


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


def test_numbers_alone_are_metrics():
    assert metric_values(METRICS) == {"mean_error/surrogate": 0.25, "error/surrogate/0.1": 0.5}
    assert metric_values({"W₂², %": 1}) == {"W₂²_ _": 1.0}


def test_a_run_holds_settings_figures_hashes_revision_and_files(store, tmp_path):
    (tmp_path / "params.yaml").write_text("name: small\n")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("<p>")
    evidence = Evidence(PARAMS, METRICS, {"fit": "abc"}, (tmp_path / "report",), (tmp_path / "params.yaml",))
    client = store.client()
    with evidence_run(client, store, "small", evidence) as run_id:
        assert client.get_run(run_id).info.status == "RUNNING"
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"name": "small", "sweep.anchors": "[0.0, 1.0]", "network": "None"}
    assert run.data.metrics == metric_values(METRICS)
    assert run.data.tags["data.fit"] == "abc"
    assert run.data.tags["git_revision"].startswith("none: ")
    artifacts = tmp_path / "mlartifacts" / "small" / run_id / "artifacts"
    assert (artifacts / "validation" / "report" / "report.html").read_text() == "<p>"
    assert (artifacts / "recorded" / "params.yaml").read_text() == "name: small\n"


def test_a_run_records_the_git_revision(store, tmp_path):
    commands = ["init -q", "-c user.name=Test -c user.email=test@example.org commit -q --allow-empty -m first"]
    for command in commands:
        subprocess.run(["git", "-C", str(tmp_path), *command.split()], check=True)
    client = store.client()
    with evidence_run(client, store, "small", Evidence({}, {}, {})) as run_id:
        pass
    tags = client.get_run(run_id).data.tags
    assert len(tags["git_revision"]) == 40
    assert tags["git_dirty"] == "true"  # mlflow.db is not ignored here


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(RegistryError, match=r"dvc\.lock'\] do not exist"):
        Evidence({}, {}, {}, recorded=(tmp_path / "dvc.lock",))


def test_a_run_that_fails_says_so(store):
    client = store.client()
    with pytest.raises(KeyError), evidence_run(client, store, "small", Evidence({}, {}, {})) as run_id:
        raise KeyError
    assert client.get_run(run_id).info.status == "FAILED"


def test_many_params_are_sent_in_portions(store):
    client = store.client()
    with evidence_run(client, store, "small", Evidence({str(i): i for i in range(250)}, {}, {})) as run_id:
        pass
    assert len(client.get_run(run_id).data.params) == 250


def test_after_a_move_new_runs_go_to_the_new_place(store, tmp_path):
    client = store.client()
    first = experiment_id(client, "small", store)
    assert experiment_id(client, "small", store) == first
    (tmp_path / "moved").mkdir()
    (tmp_path / "mlflow.db").rename(tmp_path / "moved" / "mlflow.db")
    moved = open_store(tmp_path / "moved")
    second = experiment_id(moved.client(), "small", moved)
    assert second != first
    assert moved.client().get_experiment(second).artifact_location == f"{moved.artifacts}/small"


def test_an_experiment_that_was_deleted_is_not_taken_for_a_missing_one(store):
    client = store.client()
    client.delete_experiment(experiment_id(client, "small", store))
    with pytest.raises(RegistryError, match=r"experiment 'small' was deleted.*mlflow experiments restore"):
        experiment_id(client, "small", store)


def test_an_experiment_that_another_process_creates_meanwhile_is_taken(store, monkeypatch):
    client = store.client()
    look = client.get_experiment_by_name
    created = []

    def looked_too_early(name):
        monkeypatch.undo()
        created.append(experiment_id(store.client(), name, store))

    monkeypatch.setattr(client, "get_experiment_by_name", looked_too_early)
    assert [experiment_id(client, "small", store)] == created
    assert look("small").experiment_id == created[0]
