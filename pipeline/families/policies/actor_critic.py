"""Actor and critic of a policy in training: two tanh networks, with their gradients written out.

For networks of two small layers torch spends its time on calls, not on arithmetic. Here both networks have the same
widths and pass as one stack through each layer, and all parameters are views of one vector, which one step of Adam
updates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

HIDDEN_GAIN, MEAN_GAIN, VALUE_GAIN = 2**0.5, 0.01, 1.0
"""Of the orthogonal initial weights, as stable-baselines3 has them: small means of the actions at first."""


@dataclass(frozen=True)
class Parameters:
    """Views of a vector (P,), or of its gradient, by layer.

    weights[i] (2, in, out), biases[i] (2, 1, out): hidden layer i of the actor and of the critic. mean (H, D),
    mean_bias (D,): the actor's last layer. value (H, 1), value_bias (1,): the critic's. log_deviation (D,): of actions.
    """

    vector: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    mean: Array
    mean_bias: Array
    value: Array
    value_bias: Array
    log_deviation: Array

    @property
    def deviation(self) -> Array:
        """Standard deviation (D,) of the actions."""
        return np.asarray(np.exp(self.log_deviation), np.float32)

    @classmethod
    def zeros(cls, observations: int, hidden: Sequence[int], actions: int) -> "Parameters":
        """All 0, for observations (n, C), hidden layers of these widths, and D actions."""
        pairs, last = list(pairwise([observations, *hidden])), hidden[-1]
        heads = ((last, actions), (actions,), (last, 1), (1,), (actions,))
        shapes = [*((2, i, o) for i, o in pairs), *((2, 1, o) for _, o in pairs), *heads]
        sizes = [int(np.prod(shape)) for shape in shapes]
        vector = np.zeros(sum(sizes), np.float32)
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        return cls(vector, tuple(views[: len(pairs)]), tuple(views[len(pairs) : 2 * len(pairs)]), *views[-5:])


@dataclass(frozen=True)
class Passed:
    """What one pass of n observations gives.

    layers: what each layer received, (n, C), then (2, n, width); the last is what both heads received. mean (n, D):
    of the actions. value (n,): of the observations.
    """

    layers: list[Array]
    mean: Array
    value: Array


class ActorCritic:
    """A Gaussian policy of D actions at observations (n, C), and the value of observations.

    parameters, gradient: of the loss by them, as `backward` writes it.
    """

    def __init__(self, observations: int, hidden: Sequence[int], actions: int) -> None:
        self.parameters = Parameters.zeros(observations, hidden, actions)
        self.gradient = Parameters.zeros(observations, hidden, actions)

    def initialise(self, generator: np.random.Generator) -> None:
        """Draw orthogonal weights; biases and the logarithm of the deviation are 0."""
        own = self.parameters
        own.vector[:] = 0
        for weights in own.weights:
            for weight in weights:
                weight[:] = HIDDEN_GAIN * orthogonal(weight.shape, generator)
        own.mean[:] = MEAN_GAIN * orthogonal(own.mean.shape, generator)
        own.value[:] = VALUE_GAIN * orthogonal(own.value.shape, generator)

    def forward(self, observations: Array) -> Passed:
        """Means and values at observations (n, C)."""
        own, layers = self.parameters, [observations]
        for weight, bias in zip(own.weights, own.biases, strict=True):
            hidden = layers[-1] @ weight
            hidden += bias
            layers.append(np.tanh(hidden, out=hidden))
        mean = layers[-1][0] @ own.mean
        mean += own.mean_bias
        value = layers[-1][1] @ own.value
        value += own.value_bias
        return Passed(layers, mean, value[:, 0])

    def backward(self, passed: Passed, by_mean: Array, by_value: Array, by_log_deviation: Array) -> None:
        """Write the gradient of a loss with these derivatives by means (n, D), values (n,) and log_deviation (D,)."""
        own, gradient, top = self.parameters, self.gradient, passed.layers[-1]
        column = by_value[:, None]
        np.matmul(top[0].T, by_mean, out=gradient.mean)
        np.matmul(top[1].T, column, out=gradient.value)
        by_mean.sum(axis=0, out=gradient.mean_bias)
        column.sum(axis=0, out=gradient.value_bias)
        gradient.log_deviation[:] = by_log_deviation
        by_hidden = np.empty_like(top)
        np.matmul(by_mean, own.mean.T, out=by_hidden[0])
        np.matmul(column, own.value.T, out=by_hidden[1])
        ones = np.ones((1, len(column)), np.float32)
        for i in reversed(range(len(own.weights))):
            slope = np.square(passed.layers[i + 1])
            by_hidden *= np.subtract(1, slope, out=slope)  # tanh' = 1 - tanh²
            np.matmul(passed.layers[i].swapaxes(-1, -2), by_hidden, out=gradient.weights[i])
            np.matmul(ones, by_hidden, out=gradient.biases[i])
            if i:
                by_hidden = by_hidden @ own.weights[i].swapaxes(-1, -2)

    def actor_state(self) -> dict[str, Array]:
        """Copies of the actor's parameters, as the state_dict of a GaussianPolicy names and lays them out."""
        return {name: view.copy() for name, view in self._actor().items()}

    def load_actor(self, state: Mapping[str, Array]) -> None:
        """Write what `actor_state` gives into the actor; the critic stays. ValueError for another shape."""
        for name, view in self._actor().items():
            view[...] = state[name]

    def _actor(self) -> dict[str, Array]:
        """Views of the actor's parameters, by their names in a GaussianPolicy's state_dict."""
        own = self.parameters
        layers = [(weight[0], bias[0, 0]) for weight, bias in zip(own.weights, own.biases, strict=True)]
        layers.append((own.mean, own.mean_bias))
        views = {"log_deviation": own.log_deviation}
        for i, (weight, bias) in enumerate(layers):
            views |= {f"layers.{i}.weight": weight.T, f"layers.{i}.bias": bias}
        return views


def orthogonal(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """A matrix of a shape (in, out) whose shorter side is orthonormal, drawn uniformly (Saxe et al., arXiv 1312.6120).

    Raises ValueError for a shape of another length.
    """
    inputs, outputs = shape
    drawn = generator.standard_normal((max(inputs, outputs), min(inputs, outputs)))
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diagonal(r))
    return np.asarray(q if inputs >= outputs else q.T)
