"""Training a Gaussian policy by proximal policy optimisation, and rolling any policy out.

Algorithm and settings are stable-baselines3's PPO; its environments serve, its networks do not: their gradients cost
more than the episodes, and an archive of them would have to be unpickled. Only the actor's state_dict is kept.
"""

import logging
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from pipeline.data.network import Policy
from pipeline.errors import FitError
from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.adam import Adam
from pipeline.families.policies.clipped import improve
from pipeline.families.policies.environment_state import EnvironmentState
from pipeline.families.policies.gaussian_policy import GaussianPolicy
from pipeline.families.policies.rollout import Rollouts
from pipeline.families.policies.settings import PolicySettings
from pipeline.storage.checkpoint import resumable

logger = logging.getLogger(__name__)

CRITIC_SHARE = 0.1
"""As a part of the steps of a training from another network: those before it, in which the critic alone learns."""


def train(environment: VecEnv, module: GaussianPolicy, settings: PolicySettings, seed: int) -> dict[str, float]:
    """Train on the environments, and write the actor's weights into the module, whose initial weights have no effect.

    Returns the steps, and where episodes ended the mean reward and length of the last hundred. Raises FitError where a
    weight is not finite.
    """
    training = Training(environment, settings, seed)
    training.improve(settings.steps)
    return training.finish(module)


def train_on(
    environment: VecEnv, module: GaussianPolicy, settings: PolicySettings, seed: int, share: float
) -> dict[str, float]:
    """As `train`, from the module's own weights and for `share` of the steps; share 0 changes nothing.

    The critic is not saved with a policy, and that of another reward would be wrong: in CRITIC_SHARE of these steps
    before them it alone learns, while the actor plays as it is. What observations were standardised by goes on, too.
    """
    training = Training(environment, settings, seed, module)
    steps = round(share * settings.steps)
    training.learn_values(round(CRITIC_SHARE * steps))
    training.improve(steps)
    return training.finish(module)


class Training:
    """Actor and critic with their environments; the actor and its standardisation are those of `start`, if given."""

    def __init__(
        self, environment: VecEnv, settings: PolicySettings, seed: int, start: GaussianPolicy | None = None
    ) -> None:
        self.settings = settings
        monitored = VecMonitor(environment)
        self._normalised = (
            VecNormalize(monitored, gamma=settings.discount, clip_obs=np.inf) if settings.normalise else None
        )
        self._generator = np.random.default_rng(seed)
        box = environment.action_space.shape
        assert environment.observation_space.shape is not None
        assert box is not None
        self.networks = ActorCritic(environment.observation_space.shape[0], settings.hidden, box[0])
        self.networks.initialise(self._generator)
        if start is not None:
            self._start_from(start)
        self._rollouts = Rollouts(self._normalised or monitored, self.networks, settings, self._generator)

    def _start_from(self, start: GaussianPolicy) -> None:
        state = {name: np.asarray(tensor.numpy(), np.float32) for name, tensor in start.state_dict().items()}
        self.networks.load_actor(state)
        if self._normalised is not None:
            go_on(self._normalised, state, self.settings.steps)

    def improve(self, steps: int) -> None:
        """Whole rollouts of at least `steps`, with steps of a fresh Adam after each; FitError as `train`."""
        optimiser = Adam(self.networks.parameters.vector, self.settings.learning_rate)
        for _ in self._rollouts_of(steps, optimiser, "policy"):
            self._improve(optimiser)

    def learn_values(self, steps: int) -> None:
        """As `improve`, but the actor is put back after every rollout: both share no weight, so the critic learns."""
        optimiser = Adam(self.networks.parameters.vector, self.settings.learning_rate)
        actor = self.networks.actor_state()
        for _ in self._rollouts_of(steps, optimiser, "values"):
            self._improve(optimiser)
            self.networks.load_actor(actor)

    def _rollouts_of(self, steps: int, optimiser: Adam, name: str) -> Iterator[int]:
        """As many numbers as at least `steps` take rollouts; between two of them the training can be resumed."""
        rollouts = self._rollouts
        count = -(-steps // self.settings.rollout)
        state = EnvironmentState(rollouts.environment)
        if not state.complete:
            logger.info("training begins again when it is killed: its environments have no state_dict()")
            return iter(range(count))
        return resumable(
            count,
            name,
            parameters=self.networks.parameters.vector,
            optimiser=optimiser,
            rollouts=rollouts,
            environment=state,
            generator=self._generator,
        )

    def _improve(self, optimiser: Adam) -> None:
        settings = self.settings
        batch = self._rollouts.collect()
        improve(self.networks, optimiser, batch, settings.epochs, settings.batch_size, self._generator)
        if not np.isfinite(self.networks.parameters.vector).all():
            raise FitError("a weight of the policy is not finite; lower train.learning_rate")

    def finish(self, module: GaussianPolicy) -> dict[str, float]:
        """Write the actor and its standardisation into the module; returns what `train` returns."""
        state = self.networks.actor_state()
        if self._normalised is not None:
            state = without_scaled_features(state | standardisation(self._normalised), len(module.centre))
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        module.load_state_dict(module.state_dict() | tensors)
        episodes = self._rollouts.episodes
        names = {"episode_reward": "r", "episode_length": "l"} if episodes else {}
        ended = {name: float(np.mean([episode[key] for episode in episodes])) for name, key in names.items()}
        return {"steps": float(self._rollouts.steps)} | ended


def go_on(environment: VecNormalize, state: Mapping[str, NDArray[np.float32]], seen: int) -> None:
    """Let running statistics of observations go on from a GaussianPolicy's centre and scale, as of `seen` rows."""
    statistics = environment.obs_rms
    assert not isinstance(statistics, dict)
    statistics.mean = state["centre"].astype(np.float64)
    statistics.var = np.square(state["scale"].astype(np.float64)) - environment.epsilon
    statistics.count = seen


def standardisation(environment: VecNormalize) -> dict[str, NDArray[np.float32]]:
    """What observations were standardised by at last, (C,) each, as a GaussianPolicy names it."""
    statistics = environment.obs_rms
    assert not isinstance(statistics, dict)
    scale = np.sqrt(statistics.var + environment.epsilon)
    return {"centre": statistics.mean.astype(np.float32), "scale": scale.astype(np.float32)}


def without_scaled_features(
    state: Mapping[str, NDArray[np.float32]], observations: int
) -> dict[str, NDArray[np.float32]]:
    """The same policy, whose inputs beyond so many observations, the features of λ, are no longer standardised.

    Their centre and scale become part of the first layer, W (f − c) / s + b = (W / s) f + (b − (W / s) c).
    """
    weight, bias, centre, scale = (state[name] for name in ("layers.0.weight", "layers.0.bias", "centre", "scale"))
    own = weight[:, observations:] / scale[observations:]
    return {
        **state,
        "layers.0.weight": np.concatenate([weight[:, :observations], own], axis=1),
        "layers.0.bias": bias - own @ centre[observations:],
        "centre": centre[:observations],
        "scale": scale[:observations],
    }


def episode_rewards(policy: Policy, environment: VecEnv, seed: int) -> NDArray[np.float64]:
    """The sum of rewards of the first episode of every environment, (N,), under one draw of the policy a step.

    The policy is evaluated only in environments whose episode goes on. seed: of its draws.
    """
    observation = np.asarray(environment.reset())
    going = np.ones(environment.num_envs, bool)
    total = np.zeros(environment.num_envs)
    assert environment.action_space.shape is not None
    actions = np.zeros((environment.num_envs, *environment.action_space.shape), np.float32)
    step = 0
    while going.any():
        entropy = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
        actions[:] = 0
        actions[going] = policy(observation[going], 1, entropy)[:, 0]
        state, reward, done, _ = environment.step(actions)
        observation = np.asarray(state)
        total += np.where(going, reward, 0)
        going &= ~done
        step += 1
    return total
