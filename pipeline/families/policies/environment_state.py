"""The state of environments in training, so that a training that was killed meets the steps that it would have met."""

from collections.abc import Iterator
from typing import Any

from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

PARTS: dict[type[VecEnv], tuple[str, ...]] = {
    VecMonitor: ("episode_count", "episode_returns", "episode_lengths"),
    VecNormalize: ("returns",),
}
"""Attributes of stable-baselines3's wrappers that a step changes; other environments have state_dict themselves."""
STATISTICS = ("obs_rms", "ret_rms")
"""A VecNormalize's running statistics: mean, var and count of each."""


class EnvironmentState:
    """The state of an environment and of those that it wraps, from the outermost on, for `resumable`."""

    def __init__(self, environment: VecEnv) -> None:
        self._layers = list(_layers(environment))

    @property
    def complete(self) -> bool:
        """Whether every layer can say and take its state: those that are not wrappers of stable-baselines3 have to."""
        return all(type(layer) in PARTS or hasattr(layer, "load_state_dict") for layer in self._layers)

    def state_dict(self) -> dict[str, Any]:
        """The states of the layers."""
        return {"layers": [_state(layer) for layer in self._layers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the states back."""
        for layer, saved in zip(self._layers, state["layers"], strict=True):
            _load(layer, saved)


def _layers(environment: VecEnv) -> Iterator[Any]:
    yield environment
    if isinstance(environment, VecEnvWrapper):
        yield from _layers(environment.venv)


def _state(layer: Any) -> dict[str, Any]:
    if type(layer) not in PARTS:
        return dict(layer.state_dict())
    state = {name: getattr(layer, name) for name in PARTS[type(layer)]}
    if isinstance(layer, VecNormalize):
        state |= {name: dict(vars(getattr(layer, name))) for name in STATISTICS}
    return state


def _load(layer: Any, saved: dict[str, Any]) -> None:
    if type(layer) not in PARTS:
        layer.load_state_dict(saved)
        return
    for name in PARTS[type(layer)]:
        setattr(layer, name, saved[name])
    if isinstance(layer, VecNormalize):
        for name in STATISTICS:
            vars(getattr(layer, name)).update(saved[name])
