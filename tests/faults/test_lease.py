"""The lease of a checkout: one run at a time, whatever becomes of its process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from pipeline.storage import lease
from pipeline.storage.lease import HOLDER, TOKEN, BusyError, belongs, run_lease, stage_lease
from tests.paths import CHECKOUT

HOLD = """
import sys, time
from pathlib import Path
from pipeline.storage.lease import run_lease, stage_lease
with ({kind}):
    print("held", flush=True)
    time.sleep(60)
"""
RUN, STAGE = 'run_lease(Path(sys.argv[1]), "another run")', "stage_lease(Path(sys.argv[1]))"


def take(root):
    with run_lease(root, "this one", wait=False):
        pass


def take_stage(root):
    with stage_lease(root):
        pass


@pytest.fixture
def holds(tmp_path):
    """Start a process that holds a lease; it is killed at the end."""
    processes = []

    def hold(kind: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD.format(kind=kind), str(tmp_path)]
        environment = {k: v for k, v in os.environ.items() if k != TOKEN}
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_run_is_refused_and_says_by_whom(tmp_path, holds):
    other = holds(RUN)
    with pytest.raises(BusyError, match=rf"in use by another run \(process {other.pid} on .*, since 20.*\)"):
        take(tmp_path)


def test_a_second_run_queues_and_says_so_once(tmp_path, holds):
    other, said = holds(RUN), []

    def say(line):
        said.append(line)
        other.send_signal(signal.SIGTERM)

    with run_lease(tmp_path, "this one", say=say):
        assert other.wait() == -signal.SIGTERM
        assert json.loads((tmp_path / HOLDER).read_text())["what"] == "this one"
    assert len(said) == 1
    assert "another run" in said[0]
    assert not (tmp_path / HOLDER).exists()


def test_a_killed_holder_is_no_holder(tmp_path, holds):
    other = holds(RUN)
    other.kill()
    other.wait()
    assert (tmp_path / HOLDER).exists()
    take(tmp_path)


def test_a_run_within_a_run_is_the_same(tmp_path, monkeypatch):
    with run_lease(tmp_path, "outer", wait=False):
        assert belongs(tmp_path)
        take(tmp_path)
        take_stage(tmp_path)
        assert json.loads((tmp_path / HOLDER).read_text())["what"] == "outer"
        monkeypatch.setenv(TOKEN, "of a run that is over")
        with pytest.raises(BusyError):
            take_stage(tmp_path)
        monkeypatch.setenv(TOKEN, json.loads((tmp_path / HOLDER).read_text())["token"])
    assert TOKEN not in os.environ


def test_stages_of_dvc_repro_keep_runs_out_and_each_other_not(tmp_path, holds):
    holds(STAGE)
    take_stage(tmp_path)
    with pytest.raises(BusyError, match="in use by stages that dvc repro runs"):
        take(tmp_path)


def test_a_stage_is_refused_while_a_run_works(tmp_path, holds):
    holds(RUN)
    with pytest.raises(BusyError, match="another run"):
        take_stage(tmp_path)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A holder's file of another machine, whose locks do not reach this one."""
    with run_lease(tmp_path, "elsewhere"):
        document = json.loads((tmp_path / HOLDER).read_text())
    (tmp_path / HOLDER).write_text(json.dumps(document | {"host": f"not-{socket.gethostname()}"}))
    monkeypatch.setattr(lease, "PATIENCE", 0.05)
    return tmp_path / HOLDER


def test_another_machines_lease_is_kept_as_long_as_it_lives(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "EXPIRY", 0.5)
    with pytest.raises(BusyError, match="elsewhere"):
        take(tmp_path)
    beats = 0

    def say(line):
        nonlocal beats
        assert "elsewhere" in line

    started = time.monotonic()

    def beat():
        nonlocal beats
        while time.monotonic() - started < 1.5:
            os.utime(elsewhere)
            beats += 1
            time.sleep(0.1)

    heart = threading.Thread(target=beat)
    heart.start()
    with run_lease(tmp_path, "this one", say=say):
        assert time.monotonic() - started > 1.9  # it lived for 1.5 s, and was watched for 0.5 s more
    heart.join()
    assert beats > 5


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    with run_lease(tmp_path, "this one"):
        first = (tmp_path / HOLDER).stat().st_mtime_ns
        deadline = time.monotonic() + 5
        while (tmp_path / HOLDER).stat().st_mtime_ns == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("content", ["", "{", '{"what": 1}', "[]"])
def test_a_broken_holders_file_names_nobody(tmp_path, content):
    (tmp_path / HOLDER).parent.mkdir()
    (tmp_path / HOLDER).write_text(content)
    take(tmp_path)
