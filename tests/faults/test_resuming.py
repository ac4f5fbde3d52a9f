"""Stages that are killed (SIGKILL, which no handler sees) near their end, and run again."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages import harvest, ingest, train
from pipeline.stages.dataset import run as gather
from pipeline.stages.params import load_config
from pipeline.storage.files import file_checksums
from tests.paths import CHECKOUT
from tests.sweeps import sweep_text, write_source

pytestmark = pytest.mark.slow

TRAINING: dict[str, Any] = {
    "network": "two_moons_diffusion",
    "train": {"seed": 0, "iterations": 9000, "points": 500, "width": 64},
    "sweep": {"values": [0.1, 0.9], "anchors": [0.1, 0.9]},
}
FITTING = {"fit": {"variant": "K_theta-U", "path_steps": 240, "map_steps": 400, "seed": 0, "device": "cpu"}}


def workspace(root: Path, **sections) -> Path:
    """A checkout's folder with the small sweep of the semicircles, or other sections, up to its source's data."""
    root.mkdir()
    write_source(root)
    (root / "params.yaml").write_text(sweep_text("semicircles", **sections), encoding="utf-8")
    ingest.run(load_config(root / "params.yaml"), root)
    return root


@dataclass(frozen=True)
class Ran:
    """What a process did: its log, and the seconds of the processor that it took, which other work does not change."""

    log: str
    seconds: float


def stage(root: Path, *command: str, kill_after: float = float("inf")) -> Ran:
    """Run a stage, and kill it after so many seconds of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    log = root / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", *command], cwd=root, env=environment, stderr=file
        ) as process,
    ):
        while process.poll() is None:
            if taken(process.pid) >= kill_after:
                process.kill()
            time.sleep(0.02)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ran(log.read_text(), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def taken(process: int) -> float:
    """Seconds of the processor that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def outputs(root: Path, name: str) -> dict[str, str]:
    return file_checksums(root / "data" / "circles" / name)


def test_training_that_is_killed_at_ninety_percent_costs_little_and_changes_nothing(tmp_path):
    whole, short = (workspace(tmp_path / name, **TRAINING) for name in ("whole", "short"))
    brief = TRAINING["train"] | {"iterations": 1}
    (short / "params.yaml").write_text(sweep_text("semicircles", **(TRAINING | {"train": brief})), encoding="utf-8")
    stage(short, "train", "0.1")  # a first run compiles and fills the disk's cache
    start_up = stage(short, "train", "0.9")
    once = stage(whole, "train", "0.9")
    training = once.seconds - start_up.seconds
    for share in (0.9, 0.8, 0.7):  # a quicker run than the first may have ended before it is killed
        killed = workspace(tmp_path / f"killed-{share}", **TRAINING)
        cut = stage(killed, "train", "0.9", kill_after=start_up.seconds + share * training)
        if not (killed / "data" / "circles" / "networks" / "0.9").exists():
            break
    (kept,) = (killed / ".checkpoints" / "circles" / "networks" / "0.9").iterdir()
    assert (kept / "running.safetensors").is_file()
    rest = stage(killed, "train", "0.9")
    assert "goes on from a checkpoint" in rest.log
    assert outputs(killed, "networks/0.9") == outputs(whole, "networks/0.9")
    assert not (killed / ".checkpoints" / "circles" / "networks" / "0.9").exists()
    lost = cut.seconds + rest.seconds - once.seconds
    assert lost <= 1.25 * start_up.seconds + 0.15 * training  # on a busy machine starts differ by so much


def test_a_fit_that_is_killed_twice_changes_nothing(tmp_path):
    brief = {"fit": FITTING["fit"] | {"path_steps": 1, "map_steps": 1}}
    settings = {"short": brief, "whole": FITTING, "killed": FITTING}
    roots = [workspace(tmp_path / name, **sections) for name, sections in settings.items()]
    for root in roots:
        config = load_config(root / "params.yaml")
        for value in map(str, config.sweep.values):
            train.run(config, value, root)
            harvest.run(config, value, root)
        gather(config, root)
    short, whole, killed = roots
    start_up, once = stage(short, "fit"), stage(whole, "fit")
    for _ in range(2):  # together they do half of what the steps take, and what a checkpoint saves of a start
        stage(killed, "fit", kill_after=start_up.seconds + (once.seconds - start_up.seconds) / 4)
        assert not (killed / "data" / "circles" / "surrogate").exists()
    rest = stage(killed, "fit")
    assert "goes on from a checkpoint" in rest.log
    assert outputs(killed, "surrogate") == outputs(whole, "surrogate")
