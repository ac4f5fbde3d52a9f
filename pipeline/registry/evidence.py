"""MLflow runs: what a run records of one validated surrogate."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import RegistryError
from pipeline.registry.revision import read_revision
from pipeline.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EVIDENCE = "evidence_digest"


@dataclass(frozen=True)
class Evidence:
    """What a run records beside the model.

    params: settings, nested as in params.yaml. metrics: figures, nested; what is not a number is in the artifacts only.
    data: a name and a SHA-256 for each data set. artifacts: files and folders (report, plots). recorded: files that
    document how the surrogate was made (params.yaml, a lock file); being kept whole, they make no revision dirty.
    Raises RegistryError where one of them is missing.
    """

    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    data: Mapping[str, str]
    artifacts: tuple[Path, ...] = ()
    recorded: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if missing := [str(path) for path in (*self.artifacts, *self.recorded) if not path.exists()]:
            raise RegistryError(f"{missing} do not exist; a run can only record existing files")

    @property
    def digest(self) -> str:
        """SHA-256 of settings, figures and data hashes: equal evidence needs no second run."""
        content = json.dumps([self.params, self.metrics, self.data], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()


def flatten(nested: Any, separator: str, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings by their joined keys; a list is a leaf."""
    if not isinstance(nested, Mapping):
        return {prefix: nested}
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, separator, f"{prefix}{separator}{key}" if prefix else str(key))
    return flat


def metric_values(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among nested figures, named as MLflow allows: `held_out/0.1/surrogate`."""
    values = flatten(metrics, "/")
    return {
        re.sub(r"[^\w.\- :/]", "_", name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def experiment_id(client: "MlflowClient", name: str, store: Store) -> str:
    """The experiment `name`, created where it is missing.

    An experiment keeps the artifact folder that it was created with. Where that is not this store's (the checkout was
    moved or copied), an experiment of a second name takes the new runs.
    """
    location = f"{store.artifacts}/{name}" if store.artifacts else None
    for candidate in (name, f"{name} ({store.artifacts})"):
        found = client.get_experiment_by_name(candidate) or _new_experiment(client, candidate, location)
        if found.lifecycle_stage != "active":
            raise RegistryError(
                f"experiment {candidate!r} was deleted from {store.uri}; `mlflow experiments restore "
                f"--experiment-id {found.experiment_id}` brings it back"
            )
        if location is None or found.artifact_location == location:
            return str(found.experiment_id)
    raise RegistryError(f"experiment {name!r} of {store.uri} keeps its artifacts elsewhere; rename it")


def _new_experiment(client: "MlflowClient", name: str, location: str | None) -> "Experiment":
    unless_there(lambda: client.create_experiment(name, artifact_location=location))
    found = client.get_experiment_by_name(name)
    if found is None:
        raise RegistryError(f"experiment {name!r} was purged while it was being created; register again")
    return found


def unless_there(create: Callable[[], object]) -> None:
    """Call `create`, unless another process has created the same thing in the meantime."""
    from mlflow.exceptions import MlflowException

    try:
        create()
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def evidence_run(client: "MlflowClient", store: Store, experiment: str, evidence: Evidence) -> Iterator[str]:
    """Open a run, record `evidence` in it, and yield its id; the run ends FINISHED, or FAILED on an exception."""
    from mlflow.entities import Metric, Param, RunTag

    run_id = client.create_run(experiment_id(client, experiment, store)).info.run_id
    status = "FAILED"
    try:
        now = int(time.time() * 1000)
        params = [Param(k, str(v)) for k, v in flatten(evidence.params, ".").items()]
        metrics = [Metric(k, v, now, 0) for k, v in metric_values(evidence.metrics).items()]
        revision = read_revision(store.root, evidence.recorded)
        tags = {"git_revision": revision.commit, "git_dirty": revision.dirty, EVIDENCE: evidence.digest}
        tags |= {"git_changes": revision.told} if revision.changes else {}
        tags |= {f"data.{name}": digest for name, digest in evidence.data.items()}
        for start in range(0, len(params), 100):  # MLflow takes at most 100 at once
            client.log_batch(run_id, params=params[start : start + 100])
        for start in range(0, len(metrics), 1000):
            client.log_batch(run_id, metrics=metrics[start : start + 1000])
        client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        for paths, folder in ((evidence.artifacts, "validation"), (evidence.recorded, "recorded")):
            for path in paths:
                if path.is_dir():
                    client.log_artifacts(run_id, str(path), f"{folder}/{path.name}")
                else:
                    client.log_artifact(run_id, str(path), folder)
        yield run_id
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
