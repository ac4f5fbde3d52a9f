import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.decision import Decision
from pipeline.registry.champion import champion_version
from pipeline.registry.evidence import Evidence
from pipeline.registry.package import Candidate
from pipeline.registry.register import find_version, register, rollback, stands
from pipeline.surrogate.regions import Region
from pipeline.tracking.store import open_store

MODEL = "semicircles"


def versions(store):
    return sorted(int(v.version) for v in store.client().search_model_versions(f"name = '{MODEL}'"))


def runs(store):
    client = store.client()
    return client.search_runs([client.get_experiment_by_name(MODEL).experiment_id])


def test_registering_twice_makes_one_version_and_one_run(store, registering, surrogates):
    first = registering()
    assert first.version == 1
    assert first.uri == "models:/semicircles@champion"
    assert first.champion
    assert first.digest == surrogates[0].digest
    assert registering() == first
    assert versions(store) == [1]
    assert len(runs(store)) == 1
    assert find_version(store, MODEL, first.digest) == 1
    assert find_version(store, MODEL, "0" * 64) is None
    assert find_version(store, "other", first.digest) is None


def test_new_evidence_about_the_same_surrogate_is_one_more_run(store, registering):
    first, second = registering(error=0.5), registering(error=0.25)
    assert second == first
    assert versions(store) == [1]
    tags = store.client().get_model_version(MODEL, "1").tags
    assert {run.info.run_id: run.data.metrics for run in runs(store)}[tags["evidence_run"]] == {
        "mean_error/surrogate": 0.25
    }
    assert len(runs(store)) == 2


def test_champion_only_where_the_gate_says_so(store, registering):
    refused = registering(0, promote=False)
    assert refused.uri == "models:/semicircles/1"
    assert not refused.champion
    assert refused.reason == "it does not beat the straight line"
    assert store.client().get_model_version(MODEL, "1").description == refused.reason
    assert champion_version(store.client(), MODEL) is None
    assert registering(1, promote=True).champion
    assert not registering(2, promote=False).champion
    assert champion_version(store.client(), MODEL) == 2


def test_a_decision_that_changes(store, registering, caplog):
    assert not registering(promote=False).champion
    promoted = registering(promote=True)
    assert (promoted.version, promoted.champion) == (1, True)
    turned = registering(promote=False)
    assert (turned.version, turned.champion) == (1, True)
    assert turned.reason.endswith("Version 1 is champion already and remains so until it is rolled back.")
    assert "remains so until it is rolled back" in caplog.text
    assert store.client().get_model_version(MODEL, "1").tags["promote"] == "false"


def test_rollback_and_what_it_means_for_registering_again(store, registering):
    first, second = registering(0), registering(1)
    assert stands(store, second)
    assert not stands(store, first)
    done = rollback(store, MODEL)
    assert (done.former, done.version) == (2, 1)
    assert stands(store, first)
    assert not stands(store, second)
    again = registering(1)
    assert not again.champion
    assert again.uri == "models:/semicircles/2"
    assert "Its surrogate was rolled back: it is not promoted while version 2 has the tag" in again.reason
    assert stands(store, again)
    store.client().delete_model_version_tag(MODEL, "2", "rolled_back")
    assert registering(1).champion


def test_an_older_surrogate_that_is_registered_again_is_champion_again(store, registering):
    registering(0)
    registering(1)
    assert registering(0).champion
    assert versions(store) == [1, 2]


def test_a_new_store_gets_the_version_again(store, registering, register_into, empty_store, tmp_path):
    registered = registering()
    assert stands(store, registered)
    (tmp_path / "new").mkdir()
    shutil.copy(empty_store, tmp_path / "new" / "mlflow.db")
    new = open_store(tmp_path / "new")
    assert not stands(new, registered)
    assert register_into(new) == registered
    assert stands(new, registered)


def test_a_version_whose_files_are_gone_is_not_held(store, registering, tmp_path):
    registered = registering()
    shutil.rmtree(tmp_path / "mlartifacts")
    assert find_version(store, MODEL, registered.digest) is None
    mended = registering()
    assert mended == replace(registered, version=2)
    assert registering() == mended


@pytest.mark.parametrize("step", ["log_artifacts", "create_model_version", "set_registered_model_alias"])
def test_registering_again_after_a_failure_mends_it(store, registering, monkeypatch, step):
    from mlflow import MlflowClient

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, fail)
        with pytest.raises(OSError, match="no space left"):
            registering()
    registered = registering()
    assert (registered.version, registered.champion) == (1, True)
    assert versions(store) == [1]


def test_who_comes_second_withdraws(store, registering, monkeypatch):
    """The other process registers between this one's look and its own version."""
    from pipeline.registry import register as module

    def look_away(*args):
        monkeypatch.undo()
        registering()

    with monkeypatch.context():
        monkeypatch.setattr(module, "_oldest", look_away)
        registered = registering()
    assert registered.version == 1
    assert versions(store) == [1]


REGISTER = """
import sys
from pathlib import Path
import numpy as np
from pipeline.registry.package import Candidate
from pipeline.registry.register import register
from pipeline.registry.evidence import Evidence
from pipeline.tracking.store import open_store
from pipeline.surrogate import Surrogate
from pipeline.evaluation.decision import Decision
root, bundle = Path(sys.argv[1]), Path(sys.argv[2])
candidate = Candidate(bundle, Surrogate.load(bundle), np.zeros((1, 1)))
evidence = Evidence({}, {}, {})
print(register(open_store(root), "semicircles", candidate, Decision(True, "better"), evidence).version)
"""


@pytest.mark.slow
def test_processes_at_once_make_one_version(store, bundles, tmp_path):
    command = [sys.executable, "-c", REGISTER, str(tmp_path), str(bundles[0])]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate()[0].strip() for process in processes]
    assert answers[0] == answers[1]
    assert versions(store) == [int(answers[0])]
    assert champion_version(store.client(), MODEL) == int(answers[0])


def test_another_certificate_is_another_version_and_other_reasons_are_not(store, registering, surrogates, tmp_path):
    plain = registering(0)
    certified = surrogates[0].certified([Region(0.0, 1.0, "trusted", ("tested",))])
    certified.save(tmp_path / "surrogate")

    def register_certified(reason, status="trusted"):
        own = surrogates[0].certified([Region(0.0, 1.0, status, (reason,))])
        candidate = Candidate(tmp_path / "surrogate", own, np.array([[0.0]]))
        return register(store, MODEL, candidate, Decision(True, "better"), Evidence({}, {}, {}))

    first = register_certified("tested at 0.25")
    assert (first.version, first.digest) == (plain.version + 1, plain.digest)
    assert register_certified("tested at 0.75").version == first.version
    assert register_certified("worse", "not trusted").version == first.version + 1
    assert stands(store, register_certified("worse", "not trusted"))
    rollback(store, MODEL)
    assert "rolled back" in register_certified("again", "untested").reason  # the surrogate was, whatever is said of it
