"""What orchestration costs beside the work: nothing to do, a first run, anchors side by side, hundreds of stages."""

import heapq
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.record import CHECKOUT, Record, Rows, Task
from benchmarks.table import Criterion, criteria, measured, median_of

if TYPE_CHECKING:
    from flows.dvc_repo.graph import Graph

TITLE = "Cost of orchestration"
SEEDS = 1
PRESET = "robust_small"
TURNS = 3
ANCHORS, ANCHOR_SECONDS = 4, 8
MANY, MANY_SECONDS, INPUTS = 200, 0.1, 20
BUSY = """
import sys, time
while time.process_time() < float(sys.argv[1]):
    pass
open(sys.argv[2], "w").write(sys.argv[2])
"""
RUN_STAGES = """
import sys, time
from pathlib import Path
from flows.environment import settle
settle(Path.cwd())
from flows.server.temporary import start_temporary_server
wait = start_temporary_server(lambda: None)
from prefect import flow
from flows.dvc_repo.graph import survey
from flows.parameters import SweepRun
from flows.sweep_to_surrogate import run_stages
wait()
run = SweepRun(max_parallel=int(sys.argv[1]))
begun = time.perf_counter()
outcomes = flow(lambda: run_stages(survey(), run, ""), name="stages")()
print("seconds", time.perf_counter() - begun)
assert all(outcome.action == "ran" for outcome in outcomes.values())
"""
GRAPH = """
import json
from flows.dvc_repo.graph import survey
print(json.dumps([(stage.address, stage.depends_on) for stage in survey().graph.stages]))
"""
PIECES = {
    "Python and the command line": ["-m", "flows", "--help"],
    "imports of Prefect and the flow": ["-c", "import flows.sweep_to_surrogate"],
    "imports of DVC, its graph, what is stale": ["-c", "from flows.dvc_repo.graph import survey; survey()"],
}


def timed(command: Sequence[str], folder: Path, **environment: str) -> tuple[float, float, str]:
    """Wall and CPU seconds of a command and all its children, and what it printed; RuntimeError where it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):  # 3: a surrogate that its gates refuse is a result
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def clone(folder: Path) -> Path:
    """A clone of this checkout with the preset in its params.yaml."""
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(folder)], check=True)
    timed(["-m", "pipeline", "sweep", PRESET], folder)
    return folder


def repository(folder: Path, graph: str) -> Path:
    """A DVC repository with this dvc.yaml, INPUTS files to read, and a program that is busy for some seconds."""
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(CHECKOUT / ".dvc" / "config", folder / ".dvc")
    (folder / "dvc.yaml").write_text(graph)
    (folder / "params.yaml").touch()
    (folder / "busy.py").write_text(BUSY)
    for number in range(INPUTS):
        (folder / f"input-{number}").write_text(str(number))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def alike(count: int, seconds: float) -> str:
    """A dvc.yaml of so many stages of one kind, each with INPUTS inputs."""
    return f"""
stages:
  train:
    matrix: {{value: {list(range(count))}}}
    cmd: python busy.py {seconds} out-${{item.value}}
    deps: {[f"input-{number}" for number in range(INPUTS)]}
    outs: ["out-${{item.value}}"]
"""


def nothing_to_do(folder: Path) -> Rows:
    """Wall and CPU seconds of a run with nothing to do, and of its pieces, each in a process of its own."""
    rows = {}
    for name, command in {**PIECES, "a run with nothing to do": ["-m", "flows", "run"]}.items():
        turns = [timed(command, folder)[:2] for _ in range(TURNS)]
        rows[name] = {"wall": min(wall for wall, _ in turns), "cpu": min(cpu for _, cpu in turns)}
    return rows


def first_run(folder: Path) -> Rows:
    """Wall seconds of a first run, and of the stages' bare commands: in sequence, and on the critical path."""
    wall, cpu, _ = timed(["-m", "flows", "run"], clone(folder / "run"))
    graph, seconds = bare(clone(folder / "bare"))
    path, cores = scheduled(graph, seconds, len(seconds)), scheduled(graph, seconds, 2)
    return {"first run": {"wall": wall, "cpu": cpu, "bare": sum(seconds.values()), "path": path, "cores": cores}}


def bare(folder: Path) -> "tuple[Graph, dict[str, float]]":
    """The graph, and wall seconds of every stage's command, one after another without DVC and Prefect."""
    from flows.dvc_repo.graph import Graph, Stage

    stages = json.loads(timed(["-c", GRAPH], folder)[2].splitlines()[-1])
    graph = Graph.of(Stage(address, "cpu", tuple(before)) for address, before in stages)
    seconds = {}
    for stage in graph.stages:
        name = stage.address.partition("@")[0]
        seconds[stage.address] = timed(["-m", "pipeline", name], folder, DVC_STAGE=stage.address, OMP_NUM_THREADS="1")[
            0
        ]
    return graph, seconds


def scheduled(graph: "Graph", seconds: Mapping[str, float], cores: int) -> float:
    """Seconds in which so many cores are through with all stages, taken in the graph's order as soon as they can run.

    With as many cores as stages: the critical path.
    """
    ends: dict[str, float] = {}
    free = [0.0] * cores
    for stage in graph.stages:
        begins = max([heapq.heappop(free), *(ends[before] for before in stage.depends_on)])
        ends[stage.address] = begins + seconds[stage.address]
        heapq.heappush(free, ends[stage.address])
    return max(ends.values())


def anchors_side_by_side(folder: Path) -> Rows:
    """Wall seconds of a few busy stages, one and two at a time."""
    seconds = []
    for workers in (1, 2):
        place = repository(folder / f"anchors-{workers}", alike(ANCHORS, ANCHOR_SECONDS))
        seconds.append(stages_seconds(place, workers))
    return {"anchors": {"one": seconds[0], "two": seconds[1], "ratio": seconds[0] / seconds[1]}}


def many_stages(folder: Path) -> Rows:
    """Wall seconds of hundreds of short stages, and of their commands alone, on two cores."""
    wall = stages_seconds(repository(folder / "many", alike(MANY, MANY_SECONDS)), 2)
    command = ["busy.py", str(MANY_SECONDS), "alone"]
    alone = min(timed(command, folder / "many")[0] for _ in range(TURNS))
    return {"many": {"wall": wall, "bare": MANY * alone / 2, "each": (wall - MANY * alone / 2) / MANY}}


def stages_seconds(folder: Path, workers: int) -> float:
    """Wall seconds of all stages of a repository, so many at a time."""
    return float(timed(["-c", RUN_STAGES, str(workers)], folder)[2].split("seconds")[-1].split()[0])


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every figure on its own; nothing else should run on the machine."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record.measure([Task("first run", seed, first_run, (folder / f"{seed}",)) for seed in range(seeds)])
        record.measure([Task("nothing to do", 0, nothing_to_do, (folder / "0" / "run",))])
        record.measure([Task("anchors", 0, anchors_side_by_side, (folder,))])
        record.measure([Task("many stages", 0, many_stages, (folder,))])


def section(record: Record) -> str:
    """The tables, and the targets."""
    pieces = [*PIECES, "a run with nothing to do"]
    first = {
        "wall": "run, s",
        "cpu": "its CPU, s",
        "bare": "bare commands in sequence, s",
        "path": "critical path, s",
        "cores": "on two cores at best, s",
    }
    wall, path, cores = (median_of(record, "first run", "first run", column) for column in ("wall", "path", "cores"))
    many = {"wall": "all of them, s", "bare": "bare commands on two cores, s", "each": "overhead of a stage, s"}
    return "\n".join(
        [
            measured(record, "nothing to do", {"wall": "wall, s", "cpu": "CPU, s"}, {name: name for name in pieces}),
            criteria([Criterion("nothing to do, s", median_of(record, "nothing to do", pieces[-1], "wall"), high=8)]),
            measured(record, "first run", first, {"first run": f"the preset `{PRESET}`"}),
            criteria(
                [
                    Criterion("first run / (1.15 × critical path + 12 s)", wall / (1.15 * path + 12), high=1),
                    Criterion("first run / (1.15 × the best on two cores + 12 s)", wall / (1.15 * cores + 12), high=1),
                ]
            ),
            measured(
                record,
                "anchors",
                {"one": "one at a time, s", "two": "two at a time, s", "ratio": "ratio"},
                {"anchors": f"{ANCHORS} stages of {ANCHOR_SECONDS} s CPU"},
            ),
            criteria([Criterion("two at a time", median_of(record, "anchors", "anchors", "ratio"), low=1.7)]),
            measured(record, "many stages", many, {"many": f"{MANY} stages of {MANY_SECONDS} s, {INPUTS} inputs each"}),
        ]
    )
