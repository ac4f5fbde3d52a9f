"""The surrogate's variants by name, each fitted as it would be had the settings named it: the method's own ablation.

Amad and van der Schaar, ICLR 2026 (arXiv 2603.01771): straight lines (K_I), a learnt metric (K_theta), the older metric
with fixed eigenvalues (NLOT), each with and without the potential (-U). Clock, solver and all other settings are the
surrogate's own, "auto" ones chosen anew; those that belong to another variant are dropped.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.mesh import Value
from pipeline.data.values import named
from pipeline.evaluation.methods.method import Fitting, Method
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.variant import VARIANTS, VariantName, terms_of

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

COLOURS = ("#4C72B0", "#64B5CD", "#55A868", "#8CB369", "#8172B2", "#B39DDB")
"""Muted, one a variant: those with the potential are a lighter shade of those without."""
MARKERS = ("1", "2", "3", "4", "+", "*")


@dataclass(frozen=True, eq=False)
class Variant:
    """A surrogate of one variant."""

    surrogate: "Surrogate"

    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: Value, draws: int, seed: int
    ) -> NDArray[np.floating]:
        """As `Fitted.sample`; without networks from the harvest's samples of the nearest condition, unwarned."""
        names = [column.name for column in self.surrogate.schema.hyperparameters]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "this surrogate carries no networks")
            return self.surrogate.sample(conditions, named(hyperparameter, names), draws=draws, seed=seed)


def settings_of(variant: VariantName, settings: SurrogateConfig, names: Sequence[str]) -> SurrogateConfig:
    """The settings with a variant's name, without what belongs to others.

    names: of the hyperparameters. PCHIP is for straight paths, and an ablation of geometry is between the same two
    ends. A list of the hyperparameters along which paths are straight is dropped where a variant has no other paths,
    and where it names all of them, which would make any variant K_I.
    """
    changed = {"variant": variant, "interpolation": "linear"}
    if terms_of(variant).straight or set(settings.straight_names) == set(names):
        changed["straight"] = "auto"
    return SurrogateConfig.model_validate({**settings.model_dump(), **changed})


def _fit(variant: VariantName, fitting: Fitting) -> Variant:
    from pipeline.surrogate import Surrogate

    names = [column.name for column in fitting.harvest.schema.hyperparameters]
    return Variant(Surrogate.fit(fitting.harvest, settings_of(variant, fitting.settings, names), fitting.seed))


METHODS = tuple(
    Method(
        name=name,
        label=f"variant {name}",
        role="baseline",
        colour=colour,
        marker=marker,
        fit=partial(_fit, name),
        cost="dear",
    )
    for name, colour, marker in zip(VARIANTS, COLOURS, MARKERS, strict=True)
)
