"""DVC's list of paths in use, torn by a kill."""

import subprocess
import sys
import time

import psutil
import pytest

from flows.dvc_repo.reproduce import reproduce
from flows.dvc_repo.rwlock import RWLOCK, TornLockError, dvc_processes, recover_rwlock

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
    # A process whose command line is that of DVC: it may be the writer.
    command = ["dvc", "-c", "import time; time.sleep(60)", "repro"]
    process = subprocess.Popen(command, executable=sys.executable, cwd=toy)
    try:
        deadline = time.monotonic() + 10
        while "dvc" not in psutil.Process(process.pid).cmdline()[:1]:
            assert time.monotonic() < deadline
        assert dvc_processes(toy) == [process.pid]
        with pytest.raises(
            TornLockError, match=rf"is torn, and DVC runs in this checkout \(processes \[{process.pid}\]"
        ):
            recover_rwlock(toy)
        assert path.exists()
    finally:
        process.kill()
        process.wait()
    recover_rwlock(toy)
    assert not path.exists()
