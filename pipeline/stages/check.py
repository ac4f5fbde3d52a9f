"""The checks of a sweep that are possible before anything is trained."""

from pathlib import Path
from typing import get_args

from pipeline.clocks.bases import check_base
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import axes_of
from pipeline.data.schema import Schema
from pipeline.data.split import check_anchors_in, split_harvest
from pipeline.data.values import named, numbers
from pipeline.errors import ConfigurationError, DataError, SweepError
from pipeline.families.catalog import check_code, make_family
from pipeline.families.protocol import NetworkFamily, Split, check_conditions
from pipeline.families.torch_family import Family
from pipeline.stages.conditioning import check_conditionable
from pipeline.stages.params import Config
from pipeline.stages.raw import RAW, bundled_file
from pipeline.stages.space import check_space
from pipeline.stages.warm_starts import NEIGHBOUR, check_family
from pipeline.storage.onnx_session import check_installed
from pipeline.surrogate.config import SurrogateConfig
from pipeline.tracking.store import check_reachable, open_store


def check(config: Config, root: Path = Path()) -> None:
    """Raise the error that a stage would raise later: settings, values of λ, source file, columns, the MLflow store."""
    bundled = {RAW / name: bundled_file(name) for name in config.raw.bundled}
    source = root / config.ingest.source
    _check_fit(config)
    if config.register_.flavour == "onnx":
        check_installed("register.flavour = 'onnx'")
    check_reachable(open_store(root))
    if config.network is None:
        if config.train.family_settings:
            raise ConfigurationError(
                f"train: {sorted(config.train.family_settings)} with network = null: nothing is trained; remove them"
            )
        harvest = Harvest.load(source)
        check_anchors_in(harvest, config.sweep.anchors)
        split_harvest(harvest, config.dataset.score_fraction, config.dataset.seed)
        return
    family = make_family(config.network, config.train.family_settings)
    _check_trainings(config, family)
    if not config.sweep.names:
        _check_values(config, family)
    if not source.exists():
        # A bundled file may still be missing: stage raw will write it.
        if Path(config.ingest.source) not in bundled:
            raise DataError(f"ingest.source = {config.ingest.source} does not exist; set the path of the source data")
        source = bundled[Path(config.ingest.source)]
    check_code(config.network, source)
    data = family.ingest(source, config.ingest)
    schema = family.schema(data)
    _check_flavour(config, family, schema)
    _check_names(config, [column.name for column in schema.hyperparameters])
    if config.sweep.names:
        _check_values(config, family)
    if config.harvest is not None:
        check_space(config, schema, root)
        for split in get_args(Split):
            check_conditions(family.conditions(data, split, 1, config.harvest.seed), split)


def _check_flavour(config: Config, family: NetworkFamily, schema: Schema) -> None:
    if config.register_.flavour == "torch" or not isinstance(family, Family):
        return
    if why := family.why_no_graph(deterministic=schema.deterministic is not False):
        raise ConfigurationError(
            f"register.flavour = {config.register_.flavour!r}: networks of {config.network} have no ONNX counterpart: "
            f"{why}; use flavour: torch"
        )


def _check_fit(config: Config) -> None:
    if config.fit.device == "cuda":
        # Imports torch, which the default settings do not need.
        from pipeline.surrogate.fitted import resolve_device

        resolve_device(config.fit.device)
    names = config.sweep.names or ("",)
    axes = axes_of([numbers(a) for a in config.sweep.anchors], names)
    if config.sweep.names:
        config.fit.check_names(names)
    for axis in axes:
        _check_clock(config.fit.for_coordinate(axis.name), axis.values, f" of {axis.name}" if axis.name else "")


def _check_clock(fit: SurrogateConfig, anchors: tuple[float, ...], of: str) -> None:
    if fit.clock == "learnt" and len(anchors) < 3:
        raise ConfigurationError(
            f"fit.clock{of} = 'learnt' with sweep.anchors = {list(anchors)}: at least three anchors are required"
        )
    if fit.clock not in ("auto", "learnt"):
        check_base(fit.clock, anchors)
    if fit.clock_prior != "auto":
        check_base(fit.clock_prior, anchors, "clock_prior")


def _check_trainings(config: Config, family: NetworkFamily) -> None:
    if config.train.start == NEIGHBOUR:
        check_family(family, str(config.network))
    if config.validate_.conditioned:
        check_conditionable(family, config.network)


def _check_values(config: Config, family: NetworkFamily) -> None:
    for value in config.sweep.values:
        try:
            family.check_hyperparameter(named(value, config.sweep.names))
        except SweepError as error:
            raise ConfigurationError(f"sweep.values: {error}") from error


def _check_names(config: Config, names: list[str]) -> None:
    """The sweep names the family's hyperparameters, in the schema's order, where there are several."""
    if (list(config.sweep.names) or names[:1]) != names:
        given = list(config.sweep.names) or "plain numbers"
        form = ",".join(f"{name}=0.5" for name in names)
        raise ConfigurationError(
            f"sweep.values: {given} do not fit network = {config.network!r}, whose hyperparameters are {names}; write "
            + (f"every λ as {form}, in this order" if len(names) > 1 else "every λ as a plain number")
        )
