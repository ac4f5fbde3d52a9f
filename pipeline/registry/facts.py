"""What is known of a model: its description, and the figures that its version was registered with."""

from typing import TYPE_CHECKING, Any

from pipeline.errors import RegistryError
from pipeline.registry.bundle import Version
from pipeline.registry.drift import registered_record
from pipeline.registry.package import describe

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate


def facts(surrogate: "Surrogate", version: Version | None) -> dict[str, Any]:
    """The metadata of a served model, how it was fitted, and its scores, for JSON.

    range: of every hyperparameter, from its least anchor to its greatest. barriers_checked: whether broken intervals
    were looked for. scores: None for a bundle on disk, and where the version's run keeps no figures; else measure, the
    errors by method in the mean over the held-out λ, and the surrogate's at each.
    """
    axes = surrogate.mesh.axes
    told: dict[str, Any] = {"model": None, "version": None}
    if version is not None:
        told = {"model": version.model, "version": version.number}
    fitted = {
        "range": {axis.name: [axis.values[0], axis.values[-1]] for axis in axes},
        "variant": surrogate.config.variant,
        "clock": surrogate.clock,
        "deterministic": surrogate.deterministic,
        "networks": surrogate.networks is not None,
        "barriers_checked": surrogate.barriers is not None,
    }
    return told | describe(surrogate) | fitted | {"scores": _scores(version)}


def _scores(version: Version | None) -> dict[str, Any] | None:
    if version is None:
        return None
    try:
        record = registered_record(version.store, version.model, version.number)
    except RegistryError:  # its run keeps no figures: registered by hand, or by tests
        return None
    return {"measure": record.measure, "mean_errors": record.mean, "at_held_out": record.surrogate}
