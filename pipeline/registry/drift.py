"""What a version was registered with, and what a check for drift found of it, in the MLflow store."""

import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import RegistryError
from pipeline.evaluation.drift import Drift
from pipeline.evaluation.record import Record
from pipeline.registry.champion import settled
from pipeline.registry.evidence import metric_values
from pipeline.registry.register import EVIDENCE_RUN
from pipeline.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

VERDICT, CHECKED, REASON = "drift", "drift_checked", "drift_reason"
"""Tags of a version: "none" or "drifted"; when it was checked (UTC); and the verdict in a sentence."""
FOLDER, PLAIN_FILE, FILE = "validation", "plain_metrics.json", "metrics.json"
"""Where a run keeps figures: of a plain method that was registered in the surrogate's place, else of the surrogate."""


def registered_record(store: Store, model: str, version: int) -> Record:
    """The record of the validation that a version was registered with; RegistryError where its run has none."""
    client = store.client()
    run = _evidence_run(client, model, version)
    names = {Path(entry.path).name for entry in client.list_artifacts(run, FOLDER)}
    found = next((name for name in (PLAIN_FILE, FILE) if name in names), None)
    if found is None:
        raise RegistryError(f"run {run} of version {version} of {model!r} keeps no figures; register the sweep again")
    with tempfile.TemporaryDirectory() as scratch:
        return Record.read(Path(client.download_artifacts(run, f"{FOLDER}/{found}", scratch)))


def record_drift(store: Store, drift: Drift) -> None:
    """Tag the version with the verdict, and log the fresh errors and ratios to its run, as one more point in time."""
    from mlflow.entities import Metric

    client, now = store.client(), datetime.now(UTC)
    run = _evidence_run(client, drift.model, drift.version)
    figures = metric_values(
        {
            "drift": {
                "fresh_error": {figure.value: figure.fresh for figure in drift.figures},
                "ratio": {figure.value: min(figure.ratio, 1e300) for figure in drift.figures},  # stores take no Inf
            }
        }
    )
    stamp = int(now.timestamp() * 1000)
    client.log_batch(run, metrics=[Metric(name, value, stamp, 0) for name, value in figures.items()])
    tags = {
        VERDICT: "drifted" if drift.drifted else "none",
        CHECKED: now.isoformat(timespec="seconds"),
        REASON: drift.verdict,
    }
    for name, value in tags.items():
        settled(partial(client.set_model_version_tag, drift.model, str(drift.version), name, value))


def _evidence_run(client: "MlflowClient", model: str, version: int) -> str:
    found = client.get_model_version(model, str(version)).tags.get(EVIDENCE_RUN)
    if found is None:
        raise RegistryError(f"version {version} of {model!r} was not registered by this project: it names no run")
    return str(found)
