"""The machine that figures come from, and the unit of its speed: a matrix product."""

import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

UNIT_SIZE = 2048
UNIT_THREADS = 2


@dataclass(frozen=True)
class Stamp:
    """When, where and from which commit figures were measured.

    unit: seconds of a product of two 2048 × 2048 float32 matrices on two threads: the best of 9.
    """

    date: str
    cpu: str
    cores: int
    memory_gib: float
    python: str
    torch: str
    commit: str
    unit: float

    def as_dict(self) -> dict[str, str | float]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.date}, {self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, Python {self.python}, "
            f"torch {self.torch}, commit {self.commit}; matrix product {1000 * self.unit:.0f} ms"
        )


def stamp() -> Stamp:
    """This machine, now."""
    import psutil
    import torch

    return Stamp(
        date=date.today().isoformat(),
        cpu=_cpu_name(),
        cores=psutil.cpu_count() or 1,
        memory_gib=psutil.virtual_memory().total / 2**30,
        python=platform.python_version(),
        torch=torch.__version__,
        commit=_commit(),
        unit=matmul_seconds(),
    )


def matmul_seconds(repeats: int = 9) -> float:
    """The unit of time: the best of `repeats` products, after one that warms up."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(UNIT_THREADS)
    try:
        a, b = torch.rand(2, UNIT_SIZE, UNIT_SIZE, generator=torch.Generator().manual_seed(0))
        seconds = []
        for _ in range(repeats + 1):
            begun = time.perf_counter()
            torch.mm(a, b)
            seconds.append(time.perf_counter() - begun)
    finally:
        torch.set_num_threads(threads)
    return min(seconds[1:])


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of the checkout; a plus sign says that tracked files of the code differ from it."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "--short", "HEAD")
        changed = _git(folder.parent, "status", "--porcelain", "--untracked-files=no", "--", "pipeline", "benchmarks")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
