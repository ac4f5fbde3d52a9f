"""What a method is: a name, how it looks in pictures, and how it answers at λ.

A new method is one module of this folder with a `METHOD`. Tables, pictures, metrics.json, gates and benchmarks take
everything that they need to know from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pipeline.data.anchors import Anchors
from pipeline.data.network import Network, Policy
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.transport.coupling import Coupling

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

Role = Literal["surrogate", "transport", "baseline", "reference"]
"""The surrogate as it is served; samples that it moves; a baseline to beat; a reference that no gate asks."""

ROLES: tuple[Role, ...] = ("surrogate", "transport", "baseline", "reference")
"""In the order of the tables."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What a method may use at one λ.

    value: λ, held out or an anchor. interval: the number k of the interval in which λ is reached from the left anchor;
    an anchor is reached from the one before it. ends: a sample at each anchor. couplings: between each anchor's sample
    and the next one's. fresh: draws a second sample of the network trained at λ, where there is one. served: how the
    surrogate is asked. seed: for the method's own draws.
    """

    surrogate: "Surrogate"
    comparison: Comparison
    value: float
    interval: int
    ends: tuple[Sample, ...]
    couplings: tuple[Coupling, ...]
    fresh: Callable[[], Sample] | None
    served: str
    seed: int

    @property
    def anchors(self) -> Anchors:
        """The surrogate's anchors."""
        return Anchors(self.surrogate.anchors)

    @property
    def left(self) -> Sample:
        """The sample at the interval's left anchor."""
        return self.ends[self.interval]

    @property
    def right(self) -> Sample:
        """The sample at the interval's right anchor."""
        return self.ends[self.interval + 1]

    @property
    def coupling(self) -> Coupling:
        """Pairs of the left and the right sample."""
        return self.couplings[self.interval]

    @property
    def at_anchor(self) -> bool:
        """Whether λ is an anchor."""
        return self.value in self.surrogate.anchors


@dataclass(frozen=True, eq=False)
class PolicySituation:
    """What a policy may use at a held-out λ, at any condition. networks: by their λ, the anchors' included."""

    surrogate: "Surrogate"
    networks: Mapping[float, Network]
    value: float

    @cached_property
    def anchors(self) -> Anchors:
        """The surrogate's anchors."""
        return Anchors(self.surrogate.anchors)

    @property
    def left(self) -> Network:
        """The network of the interval's left anchor."""
        return self.networks[self.anchors.values[self.anchors.interval(self.value)]]

    @property
    def right(self) -> Network:
        """The network of the interval's right anchor."""
        return self.networks[self.anchors.values[self.anchors.interval(self.value) + 1]]


@dataclass(frozen=True, eq=False)
class Method:
    """A method.

    name: in metrics.json and errors.csv. label: in tables and legends. colour, marker: Matplotlib's; style: more of its
    line properties. sample: its sample at λ, None where it has none there. policy: its answers at any condition, for
    families that score policies themselves. allowance: for a baseline, the share of its error by which the surrogate
    may be worse and still be promoted; None: the surrogate has to be better.
    """

    name: str
    label: str
    role: Role
    colour: str
    marker: str
    sample: Callable[[Situation], Sample | None] | None = None
    policy: Callable[[PolicySituation], Policy] | None = None
    allowance: float | None = None
    style: Mapping[str, Any] = field(default_factory=dict)
