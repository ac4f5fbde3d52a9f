import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from pipeline.families.cancer_therapy.cancer_env import CancerVecEnv
from pipeline.families.policies.actor_critic import ActorCritic
from pipeline.families.policies.rollout import Rollouts, advantages
from pipeline.families.policies.settings import PolicySettings
from tests.families.policies.stable import copied, noise_of, rolled_out

DRAWS = np.random.default_rng(0)


def test_with_trace_1_an_advantage_is_the_discounted_return_less_the_value():
    rewards, values, last = (DRAWS.normal(size=shape).astype(np.float32) for shape in ((6, 2), (6, 2), (2,)))
    over = np.zeros((6, 2), bool)
    over[3, 0] = True
    found = advantages(rewards, values, over, last, 0.9, 1.0)
    for n in range(2):
        for t in range(6):
            end = 3 if n == 0 and t <= 3 else 5
            total = sum(0.9 ** (s - t) * rewards[s, n] for s in range(t, end + 1))
            total += 0.0 if end == 3 else 0.9 ** (6 - t) * last[n]
            np.testing.assert_allclose(found[t, n], total - values[t, n], rtol=1e-4, atol=1e-5)


def test_with_trace_0_an_advantage_is_the_error_of_one_step():
    rewards, values, last = (DRAWS.normal(size=shape).astype(np.float32) for shape in ((4, 3), (4, 3), (3,)))
    found = advantages(rewards, values, np.zeros((4, 3), bool), last, 0.9, 0.0)
    np.testing.assert_allclose(found, rewards + 0.9 * np.vstack([values[1:], last]) - values, rtol=1e-4, atol=1e-6)


def test_a_rollout_is_that_of_stable_baselines3():
    # Observations and rewards are standardised, episodes are cut off after 200 days; both count in 210 steps.
    def environment() -> VecNormalize:
        return VecNormalize(VecMonitor(CancerVecEnv(4, 2.0, "linear", 0)), gamma=0.9, clip_obs=np.inf)

    ppo = PPO("MlpPolicy", environment(), n_steps=210, batch_size=210, gamma=0.9, gae_lambda=0.8, seed=0)
    networks = copied(ppo, ActorCritic(7, (64, 64), 2))
    rolled_out(ppo)
    settings = PolicySettings(rollout=840, environments=4, batch_size=84, discount=0.9, trace=0.8)
    rollouts = Rollouts(environment(), networks, settings, noise_of(ppo))
    batch, buffer = rollouts.collect(), ppo.rollout_buffer
    assert any(episode["l"] == 200 for episode in rollouts.episodes)
    assert rollouts.steps == 840
    for ours, theirs in (
        (batch.observations, buffer.observations),
        (batch.actions, buffer.actions),
        (batch.log_densities, buffer.log_probs),
        (batch.advantages, buffer.advantages),
        (batch.returns, buffer.returns),
    ):
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=2e-3, atol=2e-3)
    assert [e["r"] for e in rollouts.episodes] == [e["r"] for e in ppo.ep_info_buffer or ()]
