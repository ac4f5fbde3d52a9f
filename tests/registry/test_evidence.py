import subprocess

import pytest

from pipeline.errors import RegistryError
from pipeline.registry.evidence import Evidence, evidence_run, experiment_id, metric_values
from pipeline.tracking.store import open_store

PARAMS = {"name": "small", "sweep": {"anchors": [0.0, 1.0]}, "network": None}
METRICS = {"mean_error": {"surrogate": 0.25}, "error": {"surrogate": {"0.1": 0.5}}, "measure": "MSE", "fine": True}


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
    assert tags["git_changes"] == "mlflow.db"
    ignored = (tmp_path / "mlflow.db",)
    with evidence_run(client, store, "small", Evidence({}, {}, {}, recorded=ignored)) as run_id:
        pass
    tags = client.get_run(run_id).data.tags
    assert tags["git_dirty"] == "false" or tags["git_changes"] == "mlartifacts/"  # the folder of the artifacts is new


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
