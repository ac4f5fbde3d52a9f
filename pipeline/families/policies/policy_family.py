"""Families of policies: one trained by PPO for every λ, a weight in the reward; scored by their episodes' rewards.

Conditions are states, the same for all λ. They come from a reference behaviour and not from the anchors' policies,
because `conditions` knows no networks: a harvest has to be possible for every λ alone, before others are trained.
"""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network, Policy
from pipeline.data.schema import Column, Schema
from pipeline.errors import ConfigurationError, HyperparameterError
from pipeline.families.conditioned import ConditionedModule, ConditionedModules
from pipeline.families.policies.settings import PolicySettings
from pipeline.families.protocol import Data, IngestSection, Split, check_width, drawn_conditions
from pipeline.families.torch_family import ReparameterisedFamily

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv
    from torch import Tensor, nn

    from pipeline.data.conditioned import Box, ConditionedNetwork
    from pipeline.families.policies.gaussian_policy import GaussianPolicy

DATA_SEED = 0
"""Seed of the reference behaviour: train.seed changes the policies, never the states at which they are evaluated."""
SCORE = "mean episode reward"


def require_simulators() -> None:
    """Raise ConfigurationError where packages that train and score policies are missing."""
    try:
        import gymnasium  # noqa: F401
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"families of policies need simulators ({error}); install them: pip install 'sweep-to-surrogate[policies]'"
        ) from error


def score_seed(seed: int) -> int:
    """Seed of the environments of a score: never that of a training, even if both sections of params.yaml agree."""
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0] % 2**31)


class PolicyFamily(ReparameterisedFamily, ConditionedModules):
    """The common part of families of policies; weight is the column of λ.

    observed, actions: columns; those of the actions have both bounds. penalty: the key of the environments' infos that
    has what λ weighs in the reward of a step, times λ; the rest of the reward does not depend on λ.

    Equal noise couples two policies at a state: optimally, as far as their deviations are diagonal and not clipped.
    """

    coupled_by_noise: ClassVar[bool] = True

    Settings = PolicySettings
    settings: PolicySettings
    observed: ClassVar[tuple[Column, ...]]
    actions: ClassVar[tuple[Column, ...]]
    weight: ClassVar[Column]
    penalty: ClassVar[str]

    @abstractmethod
    def environment(self, hyperparameter: float, count: int, seed: int) -> "VecEnv":
        """`count` environments with the reward of one λ, stepped in one call."""

    @abstractmethod
    def reference(self, observations: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.floating]:
        """Actions (N, D) of the reference behaviour at observations (N, C), in their box, whatever λ."""

    def check_hyperparameter(self, value: float) -> None:
        """Raise HyperparameterError where λ is negative or no finite number."""
        if not 0 <= value < float("inf"):
            raise HyperparameterError(f"{self.weight.name} {value}: a weight is at least 0, and finite")

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """States (n, C) that the reference behaviour visits, and their steps; each split has its own episodes."""
        super().ingest(source, settings)
        require_simulators()
        fit, score = self._visited(0), self._visited(1)
        return Data({"fit": fit[0], "fit_step": fit[1], "score": score[0], "score_step": score[1]})

    def _visited(self, split: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """States (n, C), and the step (n,) of its episode at which each was visited."""
        count = self.settings.reference_episodes
        generator = np.random.default_rng([DATA_SEED, split])
        seed = int(generator.integers(2**31))
        environment = self.environment(0.0, count, seed)
        observation, going = np.asarray(environment.reset()), np.ones(count, bool)
        states: list[NDArray[np.float32]] = []
        steps: list[NDArray[np.int64]] = []
        while going.any():
            steps.append(np.full(going.sum(), len(steps)))
            states.append(np.asarray(observation[going], np.float32))
            state, _, done, _ = environment.step(self.reference(observation, generator))
            observation = np.asarray(state)
            going &= ~done
        environment.close()
        return np.concatenate(states), np.concatenate(steps)

    def schema(self, data: Data) -> Schema:
        """Draws of bounded actions at states."""
        return Schema(hyperparameter=self.weight, outputs=self.actions, conditions=self.observed, deterministic=False)

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """States (n, C) of the reference behaviour, drawn without repetition: of step t in proportion to 1 / (1 + t).

        All episodes pass through the first steps, and the actions there decide the rest: drawn uniformly, two states in
        a hundred would be of the first day, and a surrogate that is wrong there loses patients (docs/results.md).
        """
        pool, weight = data.arrays[split], 1 / (1 + data.arrays[f"{split}_step"])
        return drawn_conditions(pool, count, seed, weight)

    def build(self, hyperparameter: float) -> "GaussianPolicy":
        """An untrained policy."""
        return self.build_conditioned(0)

    def build_conditioned(self, features: int) -> "GaussianPolicy":
        """An untrained policy of all λ, which takes so many features of λ beside its observations."""
        from pipeline.families.policies.gaussian_policy import GaussianPolicy

        lower, upper = zip(*((column.lower, column.upper) for column in self.actions), strict=True)
        return GaussianPolicy(len(self.observed), self.settings.hidden, lower, upper, features)

    def train(self, data: Data, hyperparameter: float, seed: int) -> tuple[Network, dict[str, float]]:
        """Train the policy of one λ; metrics are steps, and reward and length of the last episodes."""
        require_simulators()
        from pipeline.families.policies.ppo import train

        self.check_hyperparameter(hyperparameter)
        environment = self.environment(hyperparameter, self.settings.environments, seed)
        module = self.build(hyperparameter)
        metrics = train(environment, module, self.settings, seed)
        environment.close()
        return self.network(module, hyperparameter), metrics

    def train_from(
        self, start: Network, data: Data, hyperparameter: float, seed: int, share: float
    ) -> tuple[Network, dict[str, float]]:
        """As `train`, from another λ's policy, for `share` of the steps; see `pipeline.families.policies.ppo`."""
        require_simulators()
        from pipeline.families.policies.ppo import train_on

        self.check_hyperparameter(hyperparameter)
        module = self.build(hyperparameter)
        module.load_state_dict(self.weights_of(start))
        environment = self.environment(hyperparameter, self.settings.environments, seed)
        metrics = train_on(environment, module, self.settings, seed, share)
        environment.close()
        return self.network(module, hyperparameter), metrics

    def train_conditioned(self, data: Data, box: "Box", seed: int) -> "tuple[ConditionedNetwork, dict[str, float]]":
        """Train one policy of all λ: every episode has a λ of its own, uniform in the box, which it sees and pays.

        Its metrics are those of `train`, over λ as they came. Steps and settings are those of one λ's policy, as epochs
        and iterations of the other families' networks of all λ are.
        """
        require_simulators()
        from pipeline.families.embedding import count_features
        from pipeline.families.policies.conditioned_env import ConditionedVecEnv
        from pipeline.families.policies.ppo import train

        for end in (box.lowest, box.highest):
            self.check_hyperparameter(*end)
        module = self.build_conditioned(count_features(box))
        inner = self.environment(1.0, self.settings.environments, seed)
        environment = ConditionedVecEnv(inner, self.penalty, box, seed)
        metrics = train(environment, module, self.settings, seed)
        environment.close()
        return ConditionedModule(self, module, box), metrics

    @property
    def noise_dimension(self) -> int:
        """A number an action."""
        return len(self.actions)

    def from_noise(self, module: "nn.Module", conditions: NDArray[np.float32], noise: "Tensor") -> "Tensor":
        """Actions (N, draws, D) in their box at states (N, C); DataError for another shape."""
        import torch

        from pipeline.families.policies.gaussian_policy import GaussianPolicy

        assert isinstance(module, GaussianPolicy)
        return module.draw(torch.from_numpy(check_width(conditions, len(self.observed))), noise)

    def graph(self, module: "nn.Module") -> "nn.Module | None":
        """As `from_noise`, of states and noise."""
        from pipeline.families.layers import Drawing
        from pipeline.families.policies.gaussian_policy import GaussianPolicy

        assert isinstance(module, GaussianPolicy)
        return Drawing(module, module.draw)

    def score(self, policy: Policy, data: Data, hyperparameter: float, seed: int) -> dict[str, float]:
        """The mean episode reward of the policy, one draw a step, under the reward of this λ."""
        (rewards,) = self.episode_scores(policy, data, hyperparameter, seed).values()
        return {SCORE: float(rewards.mean())}

    def episode_scores(
        self, policy: Policy, data: Data, hyperparameter: float, seed: int, episodes: range | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Rewards (n,) of single episodes under the reward of this λ; the first `settings.episodes` where None.

        Episode i has the i-th seed after that of the score: the same patient or target for every policy.
        """
        require_simulators()
        from pipeline.families.policies.ppo import episode_rewards

        numbers = range(self.settings.episodes) if episodes is None else episodes
        environment = self.environment(hyperparameter, len(numbers), score_seed(seed) + numbers.start)
        rewards = episode_rewards(policy, environment, seed + numbers.start)
        environment.close()
        return {SCORE: rewards}
