"""What a variant's name stands for: a metric, and whether there is a potential. Names are read here alone."""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import ConfigurationError

Variant = Literal["auto", "K_I", "K_theta", "K_I-U", "K_theta-U", "NLOT", "NLOT-U"]
"""What the setting takes; `auto` is decided by the harvest."""
MetricKind = Literal["euclidean", "givens", "fixed"]
"""G = I; G learnt within its eigenvalue budget; G with learnt rotations and fixed eigenvalues (NLOT)."""


@dataclass(frozen=True)
class Terms:
    """The terms of L = K − U: the kind of K's metric, and whether U is there."""

    metric: MetricKind
    potential: bool

    @property
    def straight(self) -> bool:
        """Whether least-action paths are straight lines at uniform speed."""
        return self.metric == "euclidean" and not self.potential


VARIANTS: dict[str, Terms] = {
    "K_I": Terms("euclidean", False),
    "K_I-U": Terms("euclidean", True),
    "K_theta": Terms("givens", False),
    "K_theta-U": Terms("givens", True),
    "NLOT": Terms("fixed", False),
    "NLOT-U": Terms("fixed", True),
}
"""Amad and van der Schaar, ICLR 2026 (arXiv 2603.01771); NLOT's metric: Pooladian et al., UAI 2024 (2406.00288)."""


def terms_of(variant: str) -> Terms:
    """The terms of a variant by name; ConfigurationError for an unknown one, and for `auto`, which must be decided."""
    if variant not in VARIANTS:
        raise ConfigurationError(f"variant = {variant!r} has no terms; choose one of {list(VARIANTS)}")
    return VARIANTS[variant]
