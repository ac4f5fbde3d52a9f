"""Policies of cancer therapy, trained by PPO; λ = weight of the penalty on the deviation of NK cells.

The experiment of Amad and van der Schaar (ICLR 2026, arXiv 2603.01771) on the benchmark DTR-Gym: 0 … 10, as a linear
penalty or as a hinge, which leaves small deviations alone.
"""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Column
from pipeline.families.cancer_therapy.observed import (
    HIGHEST_ACTION,
    HIGHEST_OBSERVATION,
    LOWEST_ACTION,
    OBSERVED,
    PENALTY,
    Penalty,
)
from pipeline.families.policies.policy_family import PolicyFamily
from pipeline.families.policies.settings import PolicySettings

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

REFERENCE_DOSE = 0.2
"""Mean dose of the reference behaviour, as a part of the highest one."""


class CancerSettings(PolicySettings):
    """Settings of a policy, and the penalty that λ weighs: "linear", or "hinge" beyond a deviation of 0.1."""

    penalty: Penalty = "linear"


class CancerTherapy(PolicyFamily):
    """The family; ingest.source is this module itself, and the patients are simulated."""

    Settings = CancerSettings
    settings: CancerSettings
    weight = Column(name="nk_weight", lower=0.0)
    penalty = PENALTY
    observed: ClassVar[tuple[Column, ...]] = tuple(
        Column(name=f"log_{name}", units="log cells", lower=0.0, upper=float(highest))
        for name, highest in zip(OBSERVED, HIGHEST_OBSERVATION, strict=True)
    )
    actions: ClassVar[tuple[Column, ...]] = tuple(
        Column(name=name, units=units, lower=float(low), upper=float(high))
        for name, units, low, high in zip(
            ("radiation", "drug"), ("1/day", "mg/L/day"), LOWEST_ACTION, HIGHEST_ACTION, strict=True
        )
    )

    def environment(self, hyperparameter: float, count: int, seed: int) -> "VecEnv":
        """Patients of one batch."""
        from pipeline.families.cancer_therapy.cancer_env import CancerVecEnv

        return CancerVecEnv(count, hyperparameter, self.settings.penalty, seed)

    def reference(self, observations: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.floating]:
        """Doses drawn anew each day, exponentially, with a fifth of the highest dose as their mean, clipped.

        Small doses are frequent, as those of trained policies are: most patients are cured, after as many days. Doses
        that are drawn uniformly kill none of them but drive all NK cells out of bounds, and doses that are held let
        metastases grow: states that no policy visits.
        """
        share = generator.exponential(REFERENCE_DOSE, (len(observations), len(HIGHEST_ACTION)))
        return np.asarray(np.minimum(share, 1) * HIGHEST_ACTION)
