"""Processes that are killed (SIGKILL, which no handler sees) while they write."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.data.harvest import Harvest
from pipeline.storage.atomic import atomic_folder, remove_left, write_text
from tests.paths import CHECKOUT
from tests.sweeps import line_harvest, sweep_text, write_source

# The writers say so when they are in the middle, and wait there to be killed.
FILE = """
import sys, time
from pathlib import Path
from pipeline.storage.atomic import atomic_file, remove_left
with atomic_file(Path("target")) as temporary, temporary.open("w") as file:
    file.write("half"); file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""
FOLDER = """
import sys, time
from pathlib import Path
from pipeline.storage.atomic import atomic_folder, remove_left
with atomic_folder(Path("target")) as temporary:
    (temporary / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""
TRAIN = """
import time
from pathlib import Path
import pipeline.stages.train as stage
from pipeline.stages.params import load_config
write_json = stage.write_json
def slow(path, value):
    print("writing", flush=True)  # the network is written, its metrics are not
    time.sleep(60)
stage.write_json = slow
stage.run(load_config(), "0.1")
"""
HARVEST = """
import time
import pipeline.data.harvest
from tests.sweeps import line_harvest
write = pipeline.data.harvest.write_samples
def slow(path, *arguments):
    write(path, *arguments)
    if path.name == "anchor-1.parquet":
        print("writing", flush=True)
        time.sleep(60)
pipeline.data.harvest.write_samples = slow
line_harvest(values=(0.0, 0.5, 2.0)).save("target")
"""


def kill_while_writing(script: str, folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".partial")}


@pytest.mark.parametrize("script", [FILE, FOLDER], ids=["file", "folder"])
def test_nothing_is_under_the_final_name(tmp_path, script):
    kill_while_writing(script, tmp_path)
    assert visible(tmp_path) == set()
    assert len(list(tmp_path.iterdir())) == 1  # what was half-written, under a name that DVC and git ignore


def test_the_former_file_is_still_there(tmp_path):
    (tmp_path / "target").write_text("whole")
    kill_while_writing(FILE, tmp_path)
    assert (tmp_path / "target").read_text() == "whole"


def test_the_former_harvest_is_still_there(tmp_path):
    harvest = line_harvest()
    harvest.save(tmp_path / "target")
    kill_while_writing(HARVEST, tmp_path)
    assert Harvest.load(tmp_path / "target").digest == harvest.digest


def test_stage_leaves_no_half_network_and_runs_again(tmp_path):
    (tmp_path / "params.yaml").write_text(sweep_text(), encoding="utf-8")
    write_source(tmp_path)
    command = [sys.executable, "-m", "pipeline"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    subprocess.run([*command, "ingest"], cwd=tmp_path, env=environment, check=True)
    kill_while_writing(TRAIN, tmp_path)
    networks = tmp_path / "data" / "small" / "networks"
    assert visible(networks) == set()
    subprocess.run([*command, "train", "0.1"], cwd=tmp_path, env=environment, check=True)
    assert visible(networks) == {"0.1"}
    assert visible(networks / "0.1") == {"family.json", "metrics.json", "network.json", "weights.safetensors"}


@pytest.fixture
def order(monkeypatch):
    """What is written through to the disk (fsync) and what is renamed, in their order; both still happen."""
    done = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def synced(descriptor):
        fsync(descriptor)
        done.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))

    def moved(move):
        def do(path, target):
            done.append(("move", path.name, Path(target).name))
            return move(path, target)

        return do

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", moved(rename))
    monkeypatch.setattr(Path, "replace", moved(replace))
    return done


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_the_call_ends(order, tmp_path):
    write_text(tmp_path / "target", "whole")
    content, move, name = order
    assert move[::2] == ("move", "target")
    assert content == ("sync", move[1])
    assert name == ("sync", tmp_path.name)


def test_so_is_everything_in_a_folder(order, tmp_path):
    with atomic_folder(tmp_path / "target") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("whole")
    at = [step[0] for step in order].index("move")
    assert {name for _, name in order[:at]} == {"file", "inner", order[at][1]}
    assert order[at + 1 :] == [("sync", tmp_path.name)]


def test_what_a_killed_process_left_is_removed(tmp_path):
    kept = [tmp_path / "a.partial.txt", tmp_path / "folder" / "b", tmp_path / "c"]
    left = [tmp_path / ".c.0123abcd.partial", tmp_path / "folder" / ".d.0123abcd.partial"]
    folder = tmp_path / "folder" / ".surrogate.0123abcd.partial"
    folder.mkdir(parents=True)
    for path in (*kept, *left, folder / "weights", folder / ".weights.0123abcd.partial"):
        path.write_text("x")
    remove_left(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    remove_left(tmp_path / "absent")
