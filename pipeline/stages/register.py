"""Stage register: the surrogate and its validation become a version of the registered model."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.data.harvest import Harvest
from pipeline.data.retrained import Retrained
from pipeline.errors import RegistryError, SweepError
from pipeline.evaluation.contest import contest
from pipeline.evaluation.costs import costs_of
from pipeline.evaluation.decision import Contest
from pipeline.evaluation.judgement import Judgement
from pipeline.evaluation.left_out import Plan, leave_out
from pipeline.evaluation.plain import plain_settings
from pipeline.evaluation.record import Record
from pipeline.evaluation.rivals import Court
from pipeline.registry.champion import Rollback
from pipeline.registry.evidence import Evidence
from pipeline.registry.package import Candidate
from pipeline.registry.register import champion_bundle, register
from pipeline.registry.register import rollback as roll_champion_back
from pipeline.registry.registration import FILE, Registration
from pipeline.report.html import write_report
from pipeline.stages.judging import judge, size_of
from pipeline.storage.atomic import write_json
from pipeline.surrogate import Surrogate
from pipeline.tracking.store import Store, open_store

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)

PLAIN_FILE, PLAIN_REPORT = "plain_metrics.json", "plain_report"
"""The figures and the report of a plain method that is registered, among the run's artifacts."""


def run(config: "Config", record: list[Path], root: Path = Path()) -> Registration:
    """Register data/NAME/surrogate with the figures of data/NAME/validation; write data/NAME/registration.json.

    Where it passes the gates and there is a champion, the two are compared on data/NAME/dataset/score. With
    `register.method: best`, the plain method that the figures recommend is registered in its place.

    record: files, relative to `root`, that the run keeps beside the model (params.yaml, a lock file). Raises
    RegistryError where the figures belong to another surrogate or a file is missing, BundleError for broken files.
    """
    base = root / "data" / config.name
    bundle, validation = base / "surrogate", base / "validation"
    surrogate, validated = Surrogate.load(bundle), Record.read(validation / "metrics.json")
    check_same(surrogate, validated, validation)
    artifacts = [validation / name for name in ("metrics.json", "errors.csv", "report")]
    with TemporaryDirectory() as scratch:
        if (plain := recommended(config, surrogate, validated, root)) is not None:
            surrogate, judgement = plain
            validated = Record.of(judgement)
            validated.write(Path(scratch) / PLAIN_FILE)
            write_report(Path(scratch) / PLAIN_REPORT, surrogate, Harvest.load(base / "dataset" / "score"), judgement)
            artifacts += [Path(scratch) / PLAIN_FILE, Path(scratch) / PLAIN_REPORT]
        certified = surrogate.certified(validated.regions)
        certified.save(Path(scratch) / "surrogate")
        store = open_store(root)
        registration = register(
            store,
            config.register_.model,
            Candidate(
                Path(scratch) / "surrogate",
                certified,
                example=Harvest.load(base / "dataset" / "fit").conditions[0][:2],
                answer_rows=config.register_.answer_rows,
                flavour=config.register_.flavour,
            ),
            decision=validated.decision,
            evidence=Evidence(
                params=config.model_dump(mode="json", by_alias=True),
                metrics=validated.figures(),
                data={entry.of: entry.sha256 for entry in validated.digests},
                artifacts=tuple(artifacts),
                recorded=tuple(root / path for path in record),
            ),
            contest=against_champion(config, surrogate, store, base) if validated.decision.promote else None,
        )
    write_json(base / FILE, asdict(registration))
    logger.info(
        "%s: version %d of %s. %s", registration.uri, registration.version, registration.model, registration.reason
    )
    return registration


def rollback(config: "Config", root: Path = Path()) -> Rollback:
    """Put the champion of the configured model back to the version before; see `registry.champion.rollback`."""
    return roll_champion_back(open_store(root), config.register_.model)


def recommended(
    config: "Config", surrogate: Surrogate, validated: Record, root: Path
) -> tuple[Surrogate, Judgement] | None:
    """The plain method that the figures recommend, as a surrogate, judged itself; None for the surrogate.

    What mixtures of two networks score is the same whatever mixes them: barriers are carried over.
    """
    found = validated.recommendation
    if config.register_.method != "best" or found is None:
        return None
    settings = plain_settings(found.method, config.fit.surrogate())
    if settings is None:
        logger.info("register.method = 'best': %s is no plain method to register", found.method)
        return None
    data = root / config.folder / "dataset"
    fit, score = Harvest.load(data / "fit"), Harvest.load(data / "score")
    plain = Surrogate.fit(fit, settings, seed=config.fit.seed)
    plain = plain.with_barriers(surrogate.barriers) if surrogate.barriers else plain
    plan, deterministic = Plan(settings, config.fit.seed, config.validate_.redraws), plain.deterministic
    left_out = leave_out(fit, score, Retrained.load(data / "retrained"), plan, deterministic=deterministic)
    court = Court.of(fit, score, deterministic=deterministic, seed=config.validate_.seed)
    with TemporaryDirectory() as scratch:
        plain.save(Path(scratch) / "surrogate")
        size = size_of(Path(scratch) / "surrogate")
    judgement = judge(config, plain, root, left_out, costs_of(plain, court, 0.0), size)
    instead = f"{found.method} in the place of the surrogate. {judgement.decision.reason}"
    return plain, replace(judgement, decision=replace(judgement.decision, reason=instead))


def against_champion(config: "Config", surrogate: Surrogate, store: Store, base: Path) -> Contest | None:
    """The contest of a surrogate with the present champion; None where there is none, or it is the champion."""
    with champion_bundle(store, config.register_.model, surrogate.digest) as found:
        if found is None:
            return None
        version, bundle = found
        if bundle is None:
            return Contest(version, won=True, sentence=f"champion {version} has no bundle to be compared with")
        settings, score = config.validate_, Harvest.load(base / "dataset" / "score")
        try:
            return contest(surrogate, Surrogate.load(bundle), version, score, settings.redraws, settings.seed)
        except SweepError as error:  # a bundle of another time, or conditions that the champion does not take
            return Contest(version, won=True, sentence=f"it cannot be compared with champion {version}: {error}")


def check_same(surrogate: Surrogate, validated: Record, folder: Path) -> None:
    """Raise RegistryError unless the figures in `folder` were computed for this surrogate."""
    digests = [entry.sha256 for entry in validated.digests if entry.of == "surrogate"]
    if digests != [surrogate.digest]:
        raise RegistryError(
            f"{folder} holds the validation of surrogate {digests}, not of {surrogate.digest}; validate again"
        )
