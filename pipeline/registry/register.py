"""Registering a surrogate: one version of each, as it is certified, and the aliases that gates and contest give it."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.evaluation.decision import Contest, Decision
from pipeline.registry.champion import (
    ALIAS,
    CHALLENGER,
    ROLLED_BACK,
    Rollback,
    alias_version,
    champion_version,
    promote,
    settled,
)
from pipeline.registry.champion import rollback as _rollback
from pipeline.registry.evidence import EVIDENCE, Evidence, evidence_run, unless_there
from pipeline.registry.package import Candidate, save_model
from pipeline.registry.registration import Registration
from pipeline.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

DIGEST, IDENTITY = "surrogate_digest", "identity"
"""Tags of a version: its surrogate; and with its certificate, what tells versions apart (`Candidate.identity`)."""
BUNDLE = "model/artifacts/surrogate"
"""Where `save_model` puts the bundle, under a run's artifacts."""
PROMOTE, REASON, EVIDENCE_RUN = "promote", "reason", "evidence_run"

logger = logging.getLogger(__name__)


def find_version(store: Store, model: str, identity: str) -> int | None:
    """The version of `model` that holds the candidate of this identity, or None; a few queries, nothing is loaded.

    A version whose files are gone (the checkout was moved, the artifact folder deleted) is not held.
    """
    client = store.client()
    version = _oldest(client, model, identity)
    return None if version is None else int(version.version)


@contextmanager
def champion_bundle(store: Store, model: str, digest: str) -> Iterator[tuple[int, Path | None] | None]:
    """The champion's version and the folder of its bundle, while the context lasts.

    None where there is no champion, or it holds the surrogate of this digest. No folder where its files are gone, or
    somebody made it by hand.
    """
    client = store.client()
    number = champion_version(client, model)
    version = None if number is None else client.get_model_version(model, str(number))
    if number is None or version is None or version.tags.get(DIGEST) == digest:
        yield None
        return
    with tempfile.TemporaryDirectory() as scratch:
        found = _has_files(client, version, BUNDLE)
        yield number, Path(client.download_artifacts(str(version.run_id), BUNDLE, scratch)) if found else None


def stands(store: Store, registration: Registration) -> bool:
    """Whether the registry still agrees with a registration: it holds the version, and the alias is where it was.

    False after a new or emptied store, a moved checkout, a rollback, or a promotion of another version since;
    registering again records the present state.
    """
    if find_version(store, registration.model, registration.identity) != registration.version:
        return False
    return (champion_version(store.client(), registration.model) == registration.version) == registration.champion


def register(
    store: Store,
    model: str,
    candidate: Candidate,
    decision: Decision,
    evidence: Evidence,
    contest: Contest | None = None,
) -> Registration:
    """Register the candidate's surrogate and decide about the champion.

    Once: a surrogate that is registered already, trusted in the same regions, keeps its version: consumers find the
    certificate in what they load, so another one is another version. New evidence about it (other figures or
    settings) is recorded as a further run, and the version's tags follow it. Registering at the same time from two
    processes, or again after a failure anywhere, ends with one version: the oldest of an identity counts, and the later
    duplicate is deleted.

    The alias `champion` moves to this version where `decision` promotes it, unless it lost the `contest` against the
    present champion: then it takes the alias `challenger`. Registering never takes the champion's alias away, because
    consumers load by it: where the gates no longer promote the present champion, that is logged, and `rollback` is the
    way back. A version that was rolled back is not promoted again, whatever the gates say, until its tag `rolled_back`
    is deleted. What the gates and the contest said stands in the version's tags and description.

    Raises RegistryError where the store cannot be opened.
    """
    client = store.client()
    version = _oldest(client, model, candidate.identity)
    if version is None:
        with evidence_run(client, store, model, evidence) as run_id, tempfile.TemporaryDirectory() as scratch:
            save_model(Path(scratch) / "model", candidate)
            client.log_artifacts(run_id, scratch)
        version = _create_version(client, model, run_id, candidate, evidence)
    elif version.tags.get(EVIDENCE) != evidence.digest:
        with evidence_run(client, store, model, evidence) as run_id:
            pass
        _tag(client, version, {EVIDENCE_RUN: run_id, EVIDENCE: evidence.digest})
    registration = _decide(client, version, candidate, decision, contest)
    _tag(client, version, {PROMOTE: str(decision.promote).lower(), REASON: registration.reason})
    client.update_model_version(model, version.version, description=registration.reason)
    return registration


def rollback(store: Store, model: str) -> Rollback:
    """Put the champion back to the version that was champion before; see `champion.rollback`."""
    return _rollback(store.client(), model)


def _decide(
    client: "MlflowClient", version: "ModelVersion", candidate: Candidate, decision: Decision, contest: Contest | None
) -> Registration:
    model, number = version.name, int(version.version)
    reason = decision.reason if contest is None else f"{decision.reason} Version {number}: {contest.sentence}."
    lost = contest is not None and not contest.won
    digest = candidate.surrogate.digest
    rolled_back = [int(v.version) for v in _versions(client, model, DIGEST, digest) if ROLLED_BACK in v.tags]
    if decision.promote and not rolled_back and not lost:
        promote(client, model, number)
    champion = champion_version(client, model) == number
    challenger = decision.promote and not champion and not rolled_back
    if challenger:
        settled(lambda: client.set_registered_model_alias(model, CHALLENGER, str(number)))
    elif alias_version(client, model, CHALLENGER) == number:
        client.delete_registered_model_alias(model, CHALLENGER)
    if decision.promote and rolled_back and not champion:
        which = ", ".join(map(str, sorted(rolled_back)))
        reason += (
            f" Its surrogate was rolled back: it is not promoted while version {which} has the tag {ROLLED_BACK!r}."
        )
    elif champion and not decision.promote:
        reason += f" Version {number} is champion already and remains so until it is rolled back."
        logger.warning("model %r: %s", model, reason)
    uri = f"models:/{model}@{ALIAS}" if champion else f"models:/{model}/{number}"
    return Registration(model, number, uri, digest, champion, reason, challenger, decision.promote, candidate.identity)


def _versions(client: "MlflowClient", model: str, tag: str, value: str) -> "list[ModelVersion]":
    return list(client.search_model_versions(f"name = '{model}' and tags.{tag} = '{value}'"))


def _oldest(client: "MlflowClient", model: str, identity: str) -> "ModelVersion | None":
    found = _versions(client, model, IDENTITY, identity)
    return min((v for v in found if _has_files(client, v)), key=lambda v: int(v.version), default=None)


def _has_files(client: "MlflowClient", version: "ModelVersion", folder: str = "model") -> bool:
    from mlflow.exceptions import MlflowException

    if version.run_id is None:  # made by hand, not by `register`
        return False
    try:
        return bool(client.list_artifacts(version.run_id, folder))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # the run was purged
            return False
        raise


def _create_version(
    client: "MlflowClient", model: str, run_id: str, candidate: Candidate, evidence: Evidence
) -> "ModelVersion":
    unless_there(lambda: client.create_registered_model(model))
    created = client.create_model_version(
        model,
        source=f"{client.get_run(run_id).info.artifact_uri}/model",
        run_id=run_id,
        tags={
            DIGEST: candidate.surrogate.digest,
            IDENTITY: candidate.identity,
            EVIDENCE_RUN: run_id,
            EVIDENCE: evidence.digest,
        },
    )
    oldest = _oldest(client, model, candidate.identity)
    if oldest is None or oldest.version == created.version:
        return created
    client.delete_model_version(model, created.version)
    return oldest


def _tag(client: "MlflowClient", version: "ModelVersion", tags: dict[str, str]) -> None:
    for key, value in tags.items():
        if version.tags.get(key) != value:
            settled(partial(client.set_model_version_tag, version.name, version.version, key, value))
