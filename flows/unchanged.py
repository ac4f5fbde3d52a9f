"""Whether there is anything to do, and whether what a run reports is what dvc.lock says for its params.yaml."""

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

from flows.dvc_repo.graph import Survey, survey
from flows.dvc_repo.lock_file import ASIDE, LOCK, recover_lock
from flows.dvc_repo.reproduce import Outcome
from flows.dvc_repo.rwlock import recover_rwlock
from flows.report.summary import read_registration
from pipeline.errors import SweepError
from pipeline.registry.registration import Registration
from pipeline.stages.params import PARAMS


class ChangedError(SweepError, RuntimeError):
    """Somebody changed params.yaml, the code or the data under a run."""


def digest_of_params(root: Path) -> str:
    """SHA-256 of params.yaml."""
    return hashlib.sha256((root / PARAMS).read_bytes()).hexdigest()


def check_params(root: Path, digest: str) -> None:
    """Raise ChangedError unless params.yaml still has the digest."""
    if digest_of_params(root) != digest:
        raise ChangedError(
            f"{PARAMS} was changed while this run worked with it; what had finished is kept: run again, and it goes on"
        )


def check_current(stale: Collection[str]) -> None:
    """Raise ChangedError where stages are out of date after a run brought all of them up to date."""
    if stale:
        raise ChangedError(
            f"the stages {sorted(stale)} are out of date again: code, settings or data were changed while this run "
            "worked, and its figures would not be theirs; run again"
        )


def recovered_survey(root: Path, say: Callable[[str], object]) -> Survey:
    """DVC's graph, and what is out of date, after DVC's own files were mended that a kill had torn."""
    recover_rwlock(root)
    if recover_lock(root):
        say(f"{LOCK} was torn, and lies in {ASIDE} now: DVC's cache restores what it named.")
    return survey()


def nothing_to_do(root: Path, folder: Path, say: Callable[[str], object]) -> list[Outcome] | None:
    """The outcomes of all stages where none is out of date, and the model is registered; None where a run is needed.

    folder: the data of the sweep.
    """
    surveyed = recovered_survey(root, say)
    if surveyed.stale or not is_registered(root, read_registration(folder)):
        return None
    return [Outcome(stage.address, "unchanged", 0.0) for stage in surveyed.graph.stages]


def is_registered(root: Path, registration: Registration) -> bool:
    """Whether the MLflow store of the checkout at `root` still agrees with the register stage's record."""
    from pipeline.registry.register import stands
    from pipeline.tracking.store import open_store

    return stands(open_store(root), registration)
