"""DVC's graph of stages, as dvc.yaml defines it: what depends on what, and what is out of date."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Self

HOME_POOL = "cpu"
"""The work pool of the main flow, and of every stage whose meta in dvc.yaml names none."""


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml.

    address: as DVC writes it, e.g. ``train@0.5``. pool: the work pool that its meta names. depends_on: the addresses of
    the stages whose outputs it reads. reads: the paths of all files and folders that it reads, code too. data_files:
    those of the tracked data files (``*.dvc``) among its inputs. stays: its meta says that it runs where the flow does,
    since it reads or writes what is there alone.
    """

    address: str
    pool: str
    depends_on: tuple[str, ...]
    reads: tuple[str, ...] = ()
    data_files: tuple[str, ...] = ()
    stays: bool = False


@dataclass(frozen=True)
class Graph:
    """The stages in an order in which they may run: each stands after everything that it depends on."""

    stages: tuple[Stage, ...]

    @classmethod
    def of(cls, stages: Iterable[Stage]) -> Self:
        """Sort the stages; graphlib.CycleError where they form a cycle (DVC refuses such a graph itself)."""
        known = {stage.address: stage for stage in stages}
        order = TopologicalSorter({address: stage.depends_on for address, stage in known.items()}).static_order()
        return cls(tuple(known[address] for address in order))

    def affected(self, stale: Collection[str]) -> tuple[Stage, ...]:
        """The stages that are stale, and those downstream of one: they may become stale while it runs."""
        reached: set[str] = set()
        for stage in self.stages:
            if stage.address in stale or reached.intersection(stage.depends_on):
                reached.add(stage.address)
        return tuple(stage for stage in self.stages if stage.address in reached)

    def has_company(self, stage: Stage) -> bool:
        """Whether some other stage can run at the same time: one that neither leads to this one nor follows from it."""
        follows = {s.address for s in self.affected([stage.address])}
        leads = {stage.address}
        for other in reversed(self.stages):
            if other.address in leads:
                leads.update(other.depends_on)
        return len(follows | leads) < len(self.stages)


def grouped(stages: Iterable[Stage], size: Callable[[Sequence[Stage]], int]) -> list[tuple[Stage, ...]]:
    """The stages in groups, dependencies first: a group has stages of one definition that do not depend on each other.

    size: of the groups of these stages of one kind. The stages come in an order in which they may run.
    """
    depth: dict[str, int] = {}
    alike: dict[tuple[int, str], list[Stage]] = {}
    for stage in stages:
        depth[stage.address] = 1 + max((depth.get(before, 0) for before in stage.depends_on), default=0)
        alike.setdefault((depth[stage.address], stage.address.partition("@")[0]), []).append(stage)
    ordered = [alike[key] for key in sorted(alike, key=lambda key: key[0])]
    return [group for members in ordered for group in batched(members, size(members))]


def batched(members: Sequence[Stage], size: int) -> list[tuple[Stage, ...]]:
    """Members, so many at a time."""
    return [tuple(members[i : i + size]) for i in range(0, len(members), size)]


@dataclass(frozen=True)
class Survey:
    """The graph, the addresses of the stages that DVC calls changed at this moment, and whether it has a remote."""

    graph: Graph
    stale: frozenset[str]
    has_remote: bool = False


def survey() -> Survey:
    """Read the graph and what is out of date from the DVC repository whose root is the working directory.

    A stage downstream of a stale one is not in `stale` as long as its own inputs have not changed: see
    `Graph.affected`. Tracked data files (``*.dvc``) have nothing to run and are left out. Waits for DVC's lock, under
    which dvc.lock is written. Raises DVC's own exceptions, for a dvc.yaml that cannot be read.
    """
    from dvc.repo import Repo, lock_repo

    with Repo(_wait_for_lock=True) as repo, lock_repo(repo):
        _mend_run_cache(Path(repo.stage_cache.cache_dir))
        graph = repo.index.graph
        runnable = {stage.addressing: stage for stage in graph if stage.cmd}
        stages = []
        for address, stage in runnable.items():
            inputs = sorted(before.addressing for before in graph.successors(stage))
            stages.append(
                Stage(
                    address,
                    str((stage.meta or {}).get("pool", HOME_POOL)),
                    depends_on=tuple(name for name in inputs if name in runnable),
                    reads=tuple(dependency.def_path for dependency in stage.deps if dependency.def_path),
                    data_files=tuple(name for name in inputs if name not in runnable),
                    stays=bool((stage.meta or {}).get("stays", False)),
                )
            )
        has_remote = bool(repo.config["core"].get("remote"))
        return Survey(Graph.of(stages), frozenset(repo.status()) & frozenset(runnable), has_remote)


def _mend_run_cache(folder: Path) -> None:
    """Remove a record of runs that a killed process has left empty: DVC would fail on it for ever."""
    for record in folder.glob("*/*"):
        if not any(record.iterdir()):
            record.rmdir()
