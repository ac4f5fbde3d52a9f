"""DVC's list of paths in use, torn by a kill."""

import pytest

from flows.dvc_repo.reproduce import reproduce
from flows.dvc_repo.rwlock import RWLOCK, TornLockError, dvc_processes, recover_rwlock
from tests.flows.waiting import running_dvc

TORN = ["", "{", '{"write": {"part-a": {"pi', "[]", "\x00\x00"]


@pytest.fixture
def torn(toy):
    def tear(content: str):
        (toy / RWLOCK).parent.mkdir(exist_ok=True)
        (toy / RWLOCK).write_text(content)
        return toy / RWLOCK

    return tear


@pytest.mark.parametrize("content", TORN)
def test_a_torn_list_without_a_writer_is_removed(toy, torn, content):
    path = torn(content)
    recover_rwlock(toy)
    assert not path.exists()
    recover_rwlock(toy)  # nothing to do


def test_a_whole_list_is_kept(toy, torn):
    path = torn('{"write": {}, "read": {}}')
    recover_rwlock(toy)
    assert path.exists()


@pytest.mark.slow
def test_a_stage_runs_in_spite_of_it(toy, torn):
    torn("")
    assert reproduce("part@a", toy).action == "ran"


def test_a_torn_list_is_kept_while_dvc_runs(toy, torn):
    path = torn("{")
    with running_dvc(toy) as process:
        assert dvc_processes(toy) == [process.pid]
        with pytest.raises(
            TornLockError, match=rf"is torn, and DVC runs in this checkout \(processes \[{process.pid}\]"
        ):
            recover_rwlock(toy)
        assert path.exists()
    recover_rwlock(toy)
    assert not path.exists()
