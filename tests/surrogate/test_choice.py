"""Variant and clock by leaving anchors out: straight laws take K_I, curved ones a potential, two anchors the prior."""

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError
from pipeline.surrogate.choice import choose
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.variant import VARIANTS, terms_of
from tests.moving import moving

DEFAULT = SurrogateConfig()


def arcs(draws: int = 100, scale: float = 1.0) -> Harvest:
    """Draws on half circles, one turning left and one turning right, independent at every anchor."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0.0, 1.0], draws)[:, None]
    ys = []
    for s in (0.0, 0.5, 1.0):
        angle = np.where(codes[:, 0] == 0, 1, -1) * np.pi * s + rng.normal(0, 0.4, len(codes))
        radius = 1 + 0.05 * rng.normal(size=len(codes))
        ys.append(scale * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))
    return Harvest.from_arrays((0.0, 0.5, 1.0), ys, [codes] * 3, "categorical")


def blobs(anchors: tuple[float, ...]) -> Harvest:
    """A normal cloud that moves and widens, drawn anew at every anchor."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.linspace(-1, 1, 12)[:, None], 40, 0)
    ys = [rng.normal(size=(480, 2)) * (0.2 + 0.3 * a) + np.c_[np.full(480, 3 * a), x] for a in anchors]
    return Harvest.from_arrays(anchors, ys, [x] * len(anchors), deterministic=False)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_curved_law_takes_a_potential(scale):
    choice = choose(arcs(scale=scale), False, DEFAULT)
    assert terms_of(choice.config.variant).potential
    errors = {c.name: c.error for c in choice.candidates}
    assert errors[choice.config.variant] < 0.8 * errors["K_I"]
    assert [c.name for c in choice.candidates if c.chosen] == [choice.config.variant]


def test_straight_law_takes_straight_lines():
    choice = choose(blobs((0.0, 0.5, 1.0)), False, DEFAULT)
    assert (choice.config.variant, choice.clock.clock.base) == ("K_I", "linear")
    assert choice.candidates[0].chosen


@pytest.mark.parametrize("deterministic", [True, False])
def test_two_anchors_take_the_declared_prior(deterministic, caplog):
    harvest = moving((0.1, 0.9), "linear", deterministic=deterministic)
    choice = choose(harvest, deterministic, DEFAULT)
    assert (choice.config.variant, choice.config.speed, choice.clock.clock.base) == ("K_I", "uniform", "logit")
    assert "prior" in choice.candidates[0].remark
    assert choice.candidates[0].error is None
    assert "priors, not estimates" in caplog.text
    declared = choose(harvest, deterministic, SurrogateConfig(clock_prior="probit", speed="action", variant="K_I-U"))
    assert (declared.config.variant, declared.config.speed) == ("K_I-U", "action")
    assert declared.clock.clock.base == "probit"


def test_clock_prior_decides_no_speed():
    for prior in ("auto", "linear"):
        choice = choose(blobs((0.0, 1.0)), False, SurrogateConfig(clock_prior=prior))
        assert choice.config.speed == "uniform"


def test_single_interior_anchor_is_said_to_tell_no_base(caplog):
    choose(moving((0.1, 0.5, 0.9), "logit", deterministic=True), True, DEFAULT)
    assert "logit is a prior" in caplog.text


def test_few_draws_are_not_asked_for_richer_variants():
    harvest = moving((0.0, 0.5, 1.0), "linear", deterministic=False, draws=3)
    choice = choose(harvest, False, DEFAULT)
    assert choice.config.variant == "K_I"
    assert "too few" in choice.candidates[0].remark


@pytest.mark.parametrize("variant", VARIANTS)
def test_terms_follow_from_the_name(variant):
    terms = terms_of(variant)
    assert terms.potential == variant.endswith("-U")
    assert (terms.metric == "euclidean") == variant.startswith("K_I")
    assert terms.straight == (variant == "K_I")


def test_undecided_variant_has_no_terms():
    with pytest.raises(ConfigurationError, match="auto"):
        terms_of("auto")
