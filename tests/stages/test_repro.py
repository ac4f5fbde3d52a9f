"""The graph under the real DVC: what runs, what does not, and what a killed stage leaves behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipeline.data.conditioned import Box
from pipeline.data.retrained import Retrained
from pipeline.evaluation.gates.config import with_gates
from pipeline.families.conditioned_store import read_conditioned
from pipeline.stages.conditioning import with_conditioning
from pipeline.stages.retraining import with_retraining
from pipeline.stages.warm_starts import with_warm_starts
from tests.families.readme import family_text, preset_text
from tests.paths import CHECKOUT
from tests.sweeps import SWEEPS, line_harvest, sweep_text, write_source

SWEEP = {"values": [0.0, 0.5, 1.0], "anchors": [0.0, 1.0]}
STAGES = ["ingest", *(f"{stage}@{value}" for stage in ("train", "harvest") for value in SWEEP["values"]), "dataset"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A repository of its own with the project's graph and code, and the semicircles up to their dataset."""
    root = tmp_path_factory.mktemp("workspace")
    shutil.copytree(CHECKOUT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".dvc").mkdir()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(CHECKOUT / name, root / name)
    write_source(root)
    line_harvest().save(root / "handed")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    select(root)
    assert ran(repro(root)) == STAGES
    return root


def select(root: Path, kind: str = "semicircles", **sections) -> None:
    swept = {"sweep": SWEEP} if kind == "semicircles" else {}
    (root / "params.yaml").write_text(with_gates(sweep_text(kind, **(swept | sections))), encoding="utf-8")


def command(target: str) -> list[str]:
    return [sys.executable, "-m", "dvc", "repro", target]


def environment() -> dict[str, str]:
    # The graph's commands say `python`: the one that runs the tests.
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }


def repro(root: Path, target: str = "dataset") -> str:
    done = subprocess.run(command(target), cwd=root, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '(.+?)':", output)


def test_second_repro_does_nothing(workspace):
    output = repro(workspace)
    assert ran(output) == []
    assert "Data and pipelines are up to date." in output


def test_another_sweep_and_back_recomputes_nothing(workspace):
    select(workspace, "harvest")
    assert ran(repro(workspace)) == ["ingest", "dataset"]
    select(workspace)
    assert ran(repro(workspace)) == []


def test_change_of_one_setting_redoes_what_depends_on_it(workspace):
    select(workspace, harvest=SWEEPS["semicircles"]["harvest"] | {"draws": 6})
    assert ran(repro(workspace)) == [f"harvest@{v}" for v in SWEEP["values"]] + ["dataset"]
    select(workspace, fit={"variant": "K_I"})
    assert ran(repro(workspace)) == []  # the fit is beyond the dataset, and the former harvests are in the cache


def test_new_value_trains_one_network(workspace):
    select(workspace, sweep=SWEEP | {"values": [0.0, 0.25, 0.5, 1.0]})
    assert ran(repro(workspace)) == ["train@0.25", "harvest@0.25", "dataset"]
    select(workspace)
    repro(workspace)


def test_change_of_ones_own_family_redoes_what_depends_on_it(workspace):
    # README's class and its preset, with two values.
    swept = {"sweep": {"values": [0.0, 2.0], "anchors": [0.0, 2.0]}}
    source = workspace / "controller.py"
    source.write_text(family_text(), encoding="utf-8")
    sections = yaml.safe_load(preset_text("controller")) | swept
    (workspace / "params.yaml").write_text(with_gates(yaml.safe_dump(sections)))
    own = ["ingest", "train@0.0", "train@2.0", "harvest@0.0", "harvest@2.0", "dataset"]
    assert sorted(ran(repro(workspace))) == sorted(own)
    assert ran(repro(workspace)) == []
    source.write_text(family_text().replace("torch.normal(mean, 0.1)", "torch.normal(mean, 0.2)"), encoding="utf-8")
    assert sorted(ran(repro(workspace))) == sorted(own)
    source.write_text(family_text(), encoding="utf-8")
    assert ran(repro(workspace)) == []  # all of it is in the cache
    select(workspace)


def stale(root: Path, *targets: str) -> set[str]:
    """Files that `dvc status` says have changed for some stages."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json", *targets],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    reasons = [reason for reasons in json.loads(done.stdout).values() for reason in reasons if isinstance(reason, dict)]
    return {path for reason in reasons for path in reason.get("changed deps", {})}


def test_touching_one_family_reruns_no_other_sweep(workspace):
    touched = workspace / "pipeline" / "families" / "robust_classifier" / "adversarial.py"
    text = touched.read_text(encoding="utf-8")
    select(workspace)
    repro(workspace)  # dvc.lock is that of this sweep again
    touched.write_text(text + "\n# touched\n", encoding="utf-8")
    assert stale(workspace, *STAGES) == set()
    robust = {"train": {"seed": 0, "hidden": [4], "iterations": 2}, "dataset": {"source": "data/robust/harvest"}}
    select(workspace, name="robust", network="robust_classifier", **robust)
    repro(workspace, "train@0.0")
    assert stale(workspace, "train@0.0") == set()
    touched.write_text(text, encoding="utf-8")
    assert stale(workspace, "train@0.0") == {"pipeline/families/robust_classifier"}
    select(workspace)
    assert ran(repro(workspace)) == []


def edges(root: Path) -> set[tuple[str, str]]:
    """Which stage comes before which, as `dvc dag` says."""
    command = [sys.executable, "-m", "dvc", "dag", "--dot"]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    return set(re.findall(r'"(\S+)" -> "(\S+)";', done.stdout))


def test_anchors_wait_for_the_neighbours_that_they_start_from(workspace):
    train = {"seed": 0, "start": "neighbour", "warm_episodes": 2, "hidden": [4], "iterations": 2}
    robust = {"name": "warm", "network": "robust_classifier", "dataset": {"source": "data/warm/harvest"}}
    before = edges(workspace)
    select(workspace, **robust, train=train)
    (workspace / "params.yaml").write_text(with_warm_starts((workspace / "params.yaml").read_text()))
    found = edges(workspace)
    into = {stage: {first for first, then in found if then == stage} for _, stage in found}
    assert {stage for stage in into["warm@up_1.0"] if "@" in stage} == {"train@0.0"}
    assert {stage for stage in into["warm@down_0.0"] if "@" in stage} == {"train@1.0"}
    assert into["chain@up"] >= {"train@0.0", "warm@up_1.0"}
    assert into["dataset"] >= {"chain@own", "chain@up", "chain@down", "harvest@0.5"}
    order = ran(repro(workspace))
    assert order.index("train@0.0") < order.index("warm@up_1.0") < order.index("chain@up") < order.index("dataset")
    assert ran(repro(workspace)) == []
    select(workspace)
    assert edges(workspace) == before


def select_again(root: Path, **asked: int) -> None:
    """A tiny classifier's sweep, of which some networks are trained again from another seed."""
    robust = {"name": "again", "network": "robust_classifier", "dataset": {"source": "data/again/harvest"}}
    train = {"seed": 0, "hidden": [4], "iterations": 2}
    select(root, **robust, train=train, validate={"redraws": 1, "seed": 0} | asked)
    (root / "params.yaml").write_text(with_retraining((root / "params.yaml").read_text()))


def test_networks_from_other_seeds_come_and_go_without_training_the_others(workspace):
    folder = workspace / "data" / "again" / "dataset"
    select_again(workspace, noise=1)
    assert set(ran(repro(workspace))) == {*STAGES, "retrain@1.0_seed1", "reharvest@1.0_seed1"}
    fitted_on = {path.name: path.read_bytes() for path in (folder / "fit").glob("*.*")}

    select_again(workspace, noise=1, floor_seeds=1)
    assert ran(repro(workspace)) == ["retrain@0.5_seed1", "reharvest@0.5_seed1", "dataset"]
    assert [(again.value, again.seed) for again in Retrained.load(folder / "retrained")] == [(1.0, 1), (0.5, 1)]
    # The surrogate would not be fitted again: what it sees is as it was.
    assert {path.name: path.read_bytes() for path in (folder / "fit").glob("*.*")} == fitted_on

    select_again(workspace)
    assert not [stage for pair in edges(workspace) for stage in pair if stage.startswith(("retrain", "reharvest"))]
    assert ran(repro(workspace)) == ["dataset"]
    assert Retrained.load(folder / "retrained") == ()
    select(workspace)


def test_a_network_of_all_values_comes_and_goes_without_training_the_others(workspace):
    robust = {"name": "all", "network": "robust_classifier", "dataset": {"source": "data/all/harvest"}}
    train = {"seed": 0, "hidden": [4], "iterations": 2}
    folder = workspace / "data" / "all" / "dataset"
    select(workspace, **robust, train=train)
    assert "conditioned@all" not in ran(repro(workspace))
    assert read_conditioned(folder / "conditioned") is None

    select(workspace, **robust, train=train, validate={"redraws": 1, "seed": 0, "conditioned": True})
    (workspace / "params.yaml").write_text(with_conditioning((workspace / "params.yaml").read_text()))
    assert ran(repro(workspace)) == ["conditioned@all", "dataset"]
    found = read_conditioned(folder / "conditioned")
    assert found is not None
    assert found.network.box == Box((0.0,), (1.0,))
    assert ran(repro(workspace)) == []

    select(workspace, **robust, train=train)
    assert ran(repro(workspace)) == ["dataset"]
    assert read_conditioned(folder / "conditioned") is None
    select(workspace)


def test_killed_stage_leaves_nothing_and_runs_again(workspace):
    # A family that never ends, killed with its whole process group while DVC waits for it.
    (workspace / "endless.py").write_text(
        "import pathlib, time\n"
        "from pipeline.families.semicircles.family import Semicircles, SemicircleNetwork\n"
        "class Slow(SemicircleNetwork):\n"
        "    def save(self, folder):\n"
        "        super().save(folder)\n"
        "        if not pathlib.Path('go').exists():\n"
        "            pathlib.Path('writing').touch()\n"
        "            time.sleep(120)\n"
        "class Endless(Semicircles):\n"
        "    def train(self, data, hyperparameter, seed):\n"
        "        return Slow(hyperparameter), {}\n"
    )
    select(
        workspace,
        network="endless:Endless",
        name="endless",
        ingest={"source": "endless.py"},
        dataset={"source": "data/endless/harvest"},
    )
    process = subprocess.Popen(command("train@0.0"), cwd=workspace, env=environment(), start_new_session=True)
    deadline = time.monotonic() + 60
    while not (workspace / "writing").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    networks = workspace / "data" / "endless" / "networks"
    assert [path.name for path in networks.iterdir() if not path.name.endswith(".partial")] == []
    (workspace / "go").touch()
    assert ran(repro(workspace, "train@0.0")) == ["train@0.0"]
    assert (networks / "0.0" / "metrics.json").is_file()
    select(workspace)
