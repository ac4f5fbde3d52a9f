"""Schedules of faults for a whole run, and an auditor of what is left: one seed, one schedule.

`make faults` runs fifty of them and writes a table; `make faults FIRST=17 COUNT=1` replays seed 17.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from tests.flows.conftest import Checkout

INJECTED = Path(__file__).parent / "injected"
ATTEMPTS, PATIENCE, SOON = 4, 600.0, 20.0
STAGES = ("train", "harvest", "dataset", "fit", "timing", "compare", "validate", "register")
REPRO = "flows.dvc_repo.process --wait-for-lock repro"
POINTS = {
    "version": "pipeline register",
    "lock": f"{REPRO} --single-item ",
    "rwlock": REPRO,
}
"""Named points at which a process is killed, and the command line of that process."""
CALLS = {
    "rename": ("pipeline dataset", "pipeline fit", "pipeline register", "pipeline validate"),
    "write": ("pipeline dataset", "pipeline fit", "pipeline register", REPRO),
    "http": ("flows run",),
}
"""Calls that fail, and the processes in which they do."""

KINDS = (
    ("kill", "flow"),
    ("kill", "server"),
    ("kill", "stage"),
    ("kill", "dvc"),
    ("kill", "guard"),
    ("point", "lock"),
    ("point", "rwlock"),
    ("point", "version"),
    ("call", "rename"),
    ("call", "write"),
    ("call", "http"),
    ("torn", "rwlock"),
    ("away", "mlflow"),
    ("cache", "harvest"),
    ("torn", "dvc.lock"),
    ("cache", "surrogate"),
)
"""What happens: a process is killed at some time, or at a named point; a call fails; or something is wrong before the
run begins: a file of DVC that a kill has torn, no MLflow, a changed byte in DVC's cache."""


@dataclass(frozen=True)
class Schedule:
    """What is done to a run. kind: kill, point, call, cache, away or torn; the other fields say where and when.

    begin: the stage from which the run has something to do. what: of the kind. stage: at which it happens. delay:
    seconds after that, or the share of a torn file that is left. n: the how-manieth call.
    """

    seed: int
    begin: str
    kind: str
    what: str
    stage: str = ""
    delay: float = 0.0
    n: int = 1

    @classmethod
    def of(cls, seed: int) -> "Schedule":
        """The schedule of a seed; sixteen consecutive seeds have all kinds."""
        rng = random.Random(seed)
        begin = rng.choice(("train", "fit", "validate"))
        later = STAGES[STAGES.index(begin) :]
        kind, what = KINDS[7 * seed % len(KINDS)]  # 7 and their number share no factor: each has its turn
        match kind:
            case "kill":
                return cls(seed, begin, kind, what, rng.choice(later), round(rng.uniform(0, 2), 2))
            case "point" if what == "lock":
                return cls(seed, begin, kind, what, rng.choice(later))
            case "point":
                return cls(seed, begin, kind, what, n=1 if what == "version" else rng.randint(1, 3))
            case "call":
                most = 40 if what == "http" else 4
                return cls(seed, begin, kind, what, rng.choice(CALLS[what]), n=rng.randint(1, most))
            case "cache":  # what is not to be computed anyway
                return cls(seed, "validate", kind, what)
        return cls(seed, begin, kind, what, delay=rng.random())

    def __str__(self) -> str:
        match self.kind:
            case "kill":
                done = f"kill {self.what}, {self.delay} s after stage {self.stage} began"
            case "point":
                done = f"kill at {self.what} {self.stage or self.n}"
            case "call":
                done = f"{self.what} {self.n} of {self.stage} fails"
            case _:
                done = f"{self.kind}: {self.what}"
        return f"{self.seed} | {self.begin} | {done}"


@dataclass
class Attempt:
    """One run: its exit status, what it printed, and its wall seconds."""

    status: int
    text: str
    seconds: float

    def ran(self) -> set[str]:
        """The stages that it reported as run."""
        lines = [line.split() for line in self.text.splitlines()]
        return {words[0] for words in lines if len(words) == 4 and words[1] == "ran" and words[3] == "s"}


class Site:
    """A checkout in which a finished sweep has been made stale from one stage on, and its copy that is finished."""

    def __init__(self, finished: Checkout, root: Path, begin: str):
        self.finished = finished
        shutil.copytree(finished.root, root, symlinks=True)
        self.checkout = Checkout(root)
        self.checkout.environment |= finished.environment
        self._forget_from(begin)
        self.marker = root.parent / f"{root.name}.fault"

    def _forget_from(self, begin: str) -> None:
        """Take these stages' entries, outputs and runs away, and MLflow's and Prefect's state."""
        root, names = self.checkout.root, STAGES[STAGES.index(begin) :]
        lock = root / "dvc.lock"
        document, forgotten = yaml.safe_load(lock.read_text()), set()
        for address in list(document["stages"]):
            if address.split("@")[0] in (*names, "leave_out" if begin != "validate" else ""):
                for out in document["stages"].pop(address)["outs"]:
                    forgotten.add(out["path"])
                    path = root / out["path"]
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        lock.write_text(yaml.safe_dump(document, sort_keys=False))
        for path in (root / ".dvc" / "cache" / "runs").rglob("*"):
            if path.is_file() and yaml.safe_load(path.read_text())["outs"][0]["path"] in forgotten:
                path.unlink()
        for folder in ("mlartifacts", ".prefect"):
            shutil.rmtree(root / folder, ignore_errors=True)
        for path in root.glob("mlflow.db*"):
            path.unlink()

    def run(self, environment: dict[str, str], schedule: Schedule | None = None) -> Attempt:
        """One run; with a schedule of kind kill, its victim is killed meanwhile."""
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "flows", "run", "--max-parallel", "2"],
            cwd=self.checkout.root,
            env=self.checkout.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if schedule is not None and schedule.kind == "kill":
            kill(psutil.Process(process.pid), schedule)
        text, _ = process.communicate(timeout=PATIENCE)
        return Attempt(process.returncode, text, time.monotonic() - start)


def kill(flow: psutil.Process, schedule: Schedule) -> None:
    """Wait until the schedule's stage runs, and its delay after that; then kill the victim, if it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and flow.is_running() and flow.status() != psutil.STATUS_ZOMBIE:
        if any(f"pipeline {schedule.stage}" in line for line in family(flow).values()):
            break
        time.sleep(0.05)
    time.sleep(schedule.delay)
    marks = {"server": "uvicorn", "dvc": "-m flows.dvc_repo.process", "stage": "-m pipeline", "guard": "guard.py"}
    found = [flow] if schedule.what == "flow" else matching(flow, marks[schedule.what])
    for victim in found[:1]:
        try:
            victim.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return  # it has ended by itself


def matching(flow: psutil.Process, mark: str) -> list[psutil.Process]:
    """The processes of a run with this in their command line; guards, whose lines hold it too, only if asked for."""
    guards = mark == "guard.py"
    return [p for p, line in family(flow).items() if mark in line and ("guard.py" in line) == guards]


def family(flow: psutil.Process) -> dict[psutil.Process, str]:
    """What a run has started, and the command lines."""
    found = {}
    try:
        for process in flow.children(recursive=True):
            found[process] = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return found
    return found


def perform(schedule: Schedule, site: Site) -> list[Attempt]:
    """Run with the schedule's fault, and then until a run ends well; all attempts."""
    attempts = [site.run(arranged(schedule, site), schedule)]
    while attempts[-1].status != 0 and len(attempts) < ATTEMPTS:
        attempts.append(site.run({}))
    return attempts


def arranged(schedule: Schedule, site: Site) -> dict[str, str]:
    """Arrange a fault; the environment of the run that meets it."""
    if schedule.kind == "cache":
        corrupt(site, schedule.what)
    if schedule.kind == "torn":
        tear(site.checkout.root, schedule.what, schedule.delay)
    if schedule.kind == "away":
        return {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    if schedule.kind not in ("point", "call"):
        return {}
    document = {
        "where": f"{POINTS.get(schedule.what, '')}{schedule.stage}",
        "call": schedule.what,
        "n": schedule.n,
        "kills": schedule.kind == "point",
        "marker": str(site.marker),
    }
    return {"FAULT": json.dumps(document), "PYTHONPATH": str(INJECTED)}


def tear(root: Path, name: str, share: float) -> None:
    """Leave a share of a file that DVC writes in place, as a kill in the middle does."""
    path = root / name if name == "dvc.lock" else root / ".dvc" / "tmp" / name
    whole = path.read_text() if path.exists() else '{"read": {}, "write": {}}'
    path.write_text(whole[: int(share * len(whole))])


def corrupt(site: Site, output: str) -> None:
    """Change a byte of a cached file of an output, which has to come from the cache."""
    root = site.checkout.root
    entry = next(path for path in (root / "data" / "tiny").rglob(f"*{output}*") if path.is_dir())
    file = max((path for path in entry.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    shutil.rmtree(entry)
    for path in (root / ".dvc" / "cache" / "files").rglob("*"):
        if path.is_file() and path.read_bytes() == content:
            path.chmod(0o644)
            path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
            return
    raise AssertionError(f"{file} is not in the cache")


def audit(site: Site, attempts: list[Attempt], schedule: Schedule) -> list[str]:
    """What is wrong after all attempts; nothing, if no fault has lost anything."""
    root, last = site.checkout.root, attempts[-1]
    faults = []
    if last.status != 0:
        return [f"no run ended well: {last.text[-2000:]}"]
    deadline = time.monotonic() + SOON
    while (left := orphans(root)) and time.monotonic() < deadline:
        time.sleep(0.2)
    faults += [f"left running: {line}" for line in left]
    faults += [f"traceback in attempt {i}: {a.text[-3000:]}" for i, a in enumerate(attempts) if "Traceback" in a.text]
    if site.checkout.digests() != site.finished.digests():
        faults.append("other hashes than without the fault")
    if schedule.kind != "cache":  # what was corrupted is computed again
        for i, attempt in enumerate(attempts):
            again = attempt.ran() & set().union(*(a.ran() for a in attempts[:i]))
            faults += [f"finished, and run again: {name}" for name in sorted(again)]
    faults += champions(site)
    if (root / ".lease" / "holder.json").exists():
        faults.append("the lease has a holder")
    faults += [f"in use: {path}" for path in paths_in_use(root)]
    faults += [f"partial: {path.relative_to(root)}" for path in (root / "data").rglob("*.partial")]
    if not site.checkout.is_clean():
        faults.append("dvc status is not clean")
    return faults


def paths_in_use(root: Path) -> list[str]:
    """The paths that DVC lists as used by a process that is alive; it drops those of others as it meets them."""
    rwlock = root / ".dvc" / "tmp" / "rwlock"
    if not rwlock.exists():
        return []
    listed = json.loads(rwlock.read_text())
    users = [(path, user) for path, readers in listed.get("read", {}).items() for user in readers]
    users += list(listed.get("write", {}).items())
    return [path for path, user in users if user and psutil.pid_exists(user["pid"])]


def told(schedule: Schedule, attempts: list[Attempt], faults: list[str]) -> str:
    """The schedule, what every attempt came to and printed, and what is wrong."""
    runs = [f"attempt {i}: status {a.status}, {a.seconds:.0f} s\n{a.text}" for i, a in enumerate(attempts)]
    return "\n".join([str(schedule), *runs, *faults])


def row(schedule: Schedule, attempts: list[Attempt], faults: list[str]) -> str:
    """A line of the table: what was done, how often it was run, and whether the auditor found nothing."""
    again = len(set().union(*(a.ran() for a in attempts[1:]))) if len(attempts) > 1 else 0
    seconds = " + ".join(f"{a.seconds:.0f}" for a in attempts)
    return f"| {schedule} | {len(attempts)} | {again} | {seconds} | {'; '.join(faults) or 'nothing'} |"


def champions(site: Site) -> list[str]:
    """What is wrong in the registry: there has to be one version, and it is the champion."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{site.checkout.root / 'mlflow.db'}")
    versions = client.search_model_versions("name = 'tiny'")
    faults = [] if len(versions) == 1 else [f"{len(versions)} versions"]
    champion = client.get_model_version_by_alias("tiny", "champion")
    if champion.version != versions[0].version:
        faults.append("the champion is another version")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    faults += [f"MLflow's run {run.info.run_id} is {run.info.status}" for run in runs if run.info.status == "RUNNING"]
    return faults


def orphans(root: Path) -> list[str]:
    """The command lines of processes that still work in the checkout."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        folder = process.info["cwd"]
        if folder and Path(folder).is_relative_to(root) and process.pid != os.getpid():
            found.append(" ".join(process.info["cmdline"] or []))
    return found
