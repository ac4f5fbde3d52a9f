"""Whether what a run reports is what dvc.lock says for the params.yaml that it began with."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from pipeline.errors import SweepError
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
