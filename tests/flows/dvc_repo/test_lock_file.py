"""dvc.lock, torn by a kill, and its entries."""

import pytest

from flows.dvc_repo.graph import survey
from flows.dvc_repo.lock_file import ASIDE, LOCK, read_entries, recover_lock, write_entries
from flows.dvc_repo.reproduce import reproduce
from flows.dvc_repo.rwlock import TornLockError
from tests.flows.waiting import running_dvc

PARTS = ("part@a", "part@b", "part@c")


@pytest.fixture
def done(toy):
    for address in PARTS:
        reproduce(address, toy)
    return toy


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 0.72, 0.9])
def test_nothing_runs_again_after_a_torn_write(done, share):
    path = done / LOCK
    whole = path.read_text()
    path.write_text(whole[: int(share * len(whole))])
    recover_lock(done)
    assert {reproduce(address, done).action for address in PARTS} <= {"restored", "unchanged"}
    assert read_entries(done, PARTS).keys() == set(PARTS)
    assert (done / "ran.log").read_text().split() == ["a", "b", "c"]
    assert not survey().stale & set(PARTS)


def test_a_torn_file_is_put_aside(toy):
    (toy / LOCK).write_text("schema: '2.0'\nstages:\n  part@a:\n    cmd: x\n    outs: [")
    assert recover_lock(toy)
    assert not (toy / LOCK).exists()
    assert (toy / ASIDE).read_text().endswith("[")
    assert not recover_lock(toy)  # nothing to do


def test_a_torn_file_is_kept_while_dvc_runs(toy):
    (toy / LOCK).write_text("{")
    with running_dvc(toy), pytest.raises(TornLockError, match=r"dvc.lock is torn, and DVC runs in this checkout"):
        recover_lock(toy)
    assert (toy / LOCK).exists()


@pytest.mark.slow
def test_entries_are_replaced_one_by_one(done):
    before = read_entries(done, PARTS)
    write_entries(done, {"part@a": {"cmd": "another"}})
    assert read_entries(done, PARTS) == before | {"part@a": {"cmd": "another"}}
    write_entries(done, {"part@a": before["part@a"]})
    assert not survey().stale & set(PARTS)
    assert read_entries(done, ["never"]) == {}
