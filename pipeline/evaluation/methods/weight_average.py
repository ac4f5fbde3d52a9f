"""Weighted means of the anchors' weights: one network whose parameters lie between theirs, linear in λ.

"Model soups" (Wortsman et al., ICML 2022) average networks that were fine-tuned alike; linear paths between networks
cross a barrier unless these share their start and its early training (Frankle et al., ICML 2020). It applies where all
anchors' networks are modules of one class with equal shapes. With several hyperparameters the corners of λ's cell are
averaged, multilinear in a box and barycentric in a simplex. Whatever is no floating-point number is the nearest one's.
Statistics of batch normalisation are averaged, too, and not estimated anew: that would take training data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.mesh import Mesh, Value, locate_rows
from pipeline.data.network import Network
from pipeline.evaluation.methods.method import Fitting, Method
from pipeline.evaluation.places import given, linear_mesh_of, linear_weights, place_of
from pipeline.families.torch_family import ModuleNetwork

Weights = Mapping[str, Tensor]
"""A module's state: parameters and buffers by their names."""


@dataclass(frozen=True, eq=False)
class Soup:
    """The anchors' networks, in the order of the mesh's vertices."""

    networks: Sequence[ModuleNetwork]
    mesh: Mesh

    def network(self, hyperparameter: Value) -> ModuleNetwork:
        """The network whose weights are the mean at one λ; HyperparameterError outside the anchors' hull."""
        (located,) = locate_rows(given(self.mesh, hyperparameter), 1, self.mesh.axes).tolist()
        place = place_of(self.mesh, located)
        corners, shares = [self.networks[k] for k in place.corners], linear_weights(place, located)
        nearest = corners[int(np.argmax(shares))]
        return nearest.with_weights(mean_weights([n.module.state_dict() for n in corners], shares))

    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: Value, draws: int, seed: int
    ) -> NDArray[np.floating]:
        """As `Fitted.sample`: outputs of the averaged network."""
        return self.network(hyperparameter).outputs(conditions, draws, seed)


def mean_weights(states: Sequence[Weights], shares: Sequence[float]) -> dict[str, Tensor]:
    """Σ_k w_k θ_k of states of equal shapes, in their own dtypes; integers are those of the largest share."""
    nearest = states[int(np.argmax(shares))]

    def mean(name: str) -> Tensor:
        if not nearest[name].is_floating_point():
            return nearest[name]
        total = torch.stack([share * state[name].double() for share, state in zip(shares, states, strict=True)]).sum(0)
        return total.to(nearest[name].dtype)

    return {name: mean(name) for name in nearest}


def _alike(networks: Sequence[Network] | None) -> Sequence[ModuleNetwork] | None:
    """The networks, where all are modules of one family with equal shapes; else None."""
    modules = [network for network in networks or () if isinstance(network, ModuleNetwork)]
    if networks is None or len(modules) < len(networks):
        return None
    kinds = {(n.family, *((name, t.shape, t.dtype) for name, t in n.module.state_dict().items())) for n in modules}
    return modules if len(kinds) == 1 and modules[0].module.state_dict() else None


def _fit(fitting: Fitting) -> Soup | None:
    networks, harvest = _alike(fitting.harvest.networks), fitting.harvest
    if networks is None:
        return None
    return Soup(networks, linear_mesh_of(harvest))


METHOD = Method(
    name="weight_average",
    label="averaged weights",
    role="baseline",
    colour="#BCBD22",
    marker="p",
    fit=_fit,
)
