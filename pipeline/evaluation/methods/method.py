"""What a method is: a name, how it looks in pictures, and how it answers at λ.

A new method is one module of this folder with a `METHOD`. Tables, pictures, metrics.json, gates and benchmarks take
everything that they need to know from it. A method either answers from samples and networks of the anchors (`sample`,
`policy`), or is fitted to the harvest first (`fit`), and what was fitted answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Network, Policy
from pipeline.data.values import numbers
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.coupled import Coupled
from pipeline.evaluation.places import Place, linear_mesh, place_of
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

Role = Literal["surrogate", "transport", "baseline", "reference"]
"""The surrogate as it is served; samples that it moves; a baseline to beat; a reference that no gate asks."""

ROLES: tuple[Role, ...] = ("surrogate", "transport", "baseline", "reference")
"""In the order of the tables."""


Cost = Literal["quick", "dear"]
"""Quick methods run in every validation; dear ones where `validate.methods` names them."""


class Fitted(Protocol):
    """A method that was fitted to a harvest."""

    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: Value, draws: int, seed: int, /
    ) -> NDArray[np.floating]:
        """Outputs (N, draws, D) at conditions (N, C) and one λ, in the outputs' own units; reproducible by the seed."""
        ...


@dataclass(frozen=True, eq=False)
class Fitting:
    """What a method may be fitted on: what the surrogate is fitted on, and no more.

    harvest: of the anchors, with their networks where these travel. deterministic: whether a condition has one output.
    settings: of the surrogate, for methods that are its variants.
    """

    harvest: Harvest
    deterministic: bool
    settings: SurrogateConfig
    seed: int


class Paired(NamedTuple):
    """Rows that belong together, one of every anchor of a tree, and the samples by anchor that they are rows of.

    Of networks that draw and travel with the surrogate the samples are fresh, paired as the surrogate pairs them, so
    that a line differs from a straight surrogate by nothing but its clock. Otherwise they are the ends, coupled by
    exact transport, or by their conditions where outputs are deterministic.
    """

    rows: Coupled
    samples: Mapping[int, Sample]


@dataclass(frozen=True, eq=False)
class Situation:
    """What a method may use at one λ.

    value: λ, held out or an anchor. own: the cell of the surrogate's mesh that λ lies in; of an anchor, the one in
    which it is reached. linear: the cell in λ itself; the same with one hyperparameter, and on a grid. start: the
    number of the anchor whose conditions are asked, and whose samples `transport` moves. ends: a sample at each anchor.
    paired: what belongs together at the anchors of a cell's tree. fresh: draws a second sample of the
    network trained at λ, where there is one. served: how the surrogate is asked. seed: for the method's own draws.
    """

    surrogate: "Surrogate"
    comparison: Comparison
    value: Value
    own: Place
    linear: Place
    start: int
    ends: tuple[Sample, ...]
    paired: Callable[[Place], Paired]
    fresh: Callable[[], Sample] | None
    served: str
    seed: int

    @property
    def coordinates(self) -> tuple[float, ...]:
        """λ as P numbers."""
        return numbers(self.value)

    @property
    def corners(self) -> tuple[Sample, ...]:
        """The samples at the cell's corners; with one hyperparameter the left and the right anchor's."""
        return tuple(self.ends[k] for k in self.own.corners)

    @property
    def at_anchor(self) -> bool:
        """Whether λ is an anchor."""
        return self.coordinates in self.own.mesh.vertices

    def mixed(self, place: Place, weights: Sequence[float | NDArray[np.float64]]) -> Sample:
        """The paired samples' weighted means: a weight a corner of a cell, or one a row of its root's sample."""
        rows, samples = self.paired(place)
        return rows.mean(samples, dict(zip(place.corners, weights, strict=True)), self.comparison.period)


@dataclass(frozen=True, eq=False)
class PolicySituation:
    """What a policy may use at a held-out λ, at any condition. networks: by their λ, the anchors' included."""

    surrogate: "Surrogate"
    networks: Mapping[Value, Network]
    value: Value

    @property
    def coordinates(self) -> tuple[float, ...]:
        """λ as P numbers."""
        return numbers(self.value)

    @cached_property
    def own(self) -> Place:
        """The cell of the surrogate's mesh that λ lies in."""
        return place_of(self.surrogate.mesh, self.coordinates)

    @cached_property
    def linear(self) -> Place:
        """The cell in λ itself; the same with one hyperparameter, and on a grid."""
        return place_of(linear_mesh(self.surrogate.mesh), self.coordinates)

    @property
    def corners(self) -> tuple[Network, ...]:
        """The networks at the cell's corners; with one hyperparameter the left and the right anchor's."""
        return self.at(self.own)

    def at(self, place: Place) -> tuple[Network, ...]:
        """The networks at the corners of any cell."""
        return tuple(self.networks[value] for value in place.values)


@dataclass(frozen=True, eq=False)
class Method:
    """A method.

    name: in metrics.json and errors.csv. label: in tables and legends; several: its label where there are several
    hyperparameters, if it is another. colour, marker: Matplotlib's; style: more of its line properties. sample: its
    sample at λ, None where it has none there. policy: its answers at any condition, for families that score policies
    themselves; None where it has none. fit: fits it to a harvest, in the place of `sample` and `policy`; it gives None
    where the method does not apply. cost: whether it runs always. unmoved: whether it answers with an anchor's sample,
    as it is.
    """

    name: str
    label: str
    role: Role
    colour: str
    marker: str
    sample: Callable[[Situation], Sample | None] | None = None
    policy: Callable[[PolicySituation], Policy | None] | None = None
    fit: Callable[[Fitting], Fitted | None] | None = None
    cost: Cost = "quick"
    unmoved: bool = False
    style: Mapping[str, Any] = field(default_factory=dict)
    several: str = ""

    def label_for(self, hyperparameters: int) -> str:
        """The label where there are so many hyperparameters."""
        return self.several if self.several and hyperparameters > 1 else self.label
