import numpy as np
import pytest
import torch

from pipeline.clocks.select import choose_clock
from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError, FitError
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.fit import fit_parts
from pipeline.surrogate.fitted import resolve_device
from pipeline.surrogate.parts import make_density
from pipeline.transport.anchor_samples import anchor_samples
from pipeline.transport.metric import EuclideanMetric
from pipeline.transport.standardise import Standardiser
from tests.clouds import MOMENT, circles_harvest, cloud_harvest, moment
from tests.moving import moving

VARIANTS = ["K_I", "K_theta", "K_I-U", "K_theta-U", "NLOT", "NLOT-U"]


def check(harvest: Harvest, config: SurrogateConfig = MOMENT) -> np.ndarray:
    """Fit, and move the first anchor's samples through all of the range; returns the paths."""
    surrogate = Surrogate.fit(harvest, config)
    low, high = harvest.hyperparameter[[0, -1]]
    targets = np.linspace(low, high, 7).tolist()
    path = surrogate.path(harvest.outputs[0], harvest.conditions[0], low, targets)
    assert path.shape == (len(harvest.outputs[0]), 7, len(harvest.schema.outputs))
    assert np.isfinite(path).all()
    assert all(np.isfinite(curve).all() for curve in surrogate.history.values())
    return path


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("solver", ["paired", "semidual"])
def test_every_variant_is_solved_by_both_solvers(of_variant, cloud, variant, solver):
    surrogate = of_variant(variant, solver)
    path = surrogate.path(cloud.outputs[0], cloud.conditions[0], 0.0, [0.0, 0.3, 0.5, 0.9, 1.0])
    assert np.isfinite(path).all()
    parts = surrogate._parts
    assert isinstance(parts.lagrangian.metric, EuclideanMetric) == variant.startswith("K_I")
    assert (parts.lagrangian.potential is not None) == variant.endswith("-U")
    if variant.startswith("NLOT"):
        assert not parts.lagrangian.metric.learn_eigenvalues


@pytest.mark.parametrize("solver", ["paired", "semidual"])
@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("conditions", [0, 3])
def test_any_dimension(solver, dimension, conditions):
    check(cloud_harvest(dimension=dimension, conditions=conditions), moment(solver=solver))


@pytest.mark.parametrize("solver", ["paired", "semidual"])
@pytest.mark.parametrize("anchors", [(0.0, 1.0), (0.1, 0.2, 0.4, 0.9), (-5, 0, 1e3)])
def test_any_number_of_anchors(solver, anchors):
    check(cloud_harvest(anchors=anchors), moment(solver=solver))


@pytest.mark.parametrize("solver", ["paired", "semidual"])
@pytest.mark.parametrize("kind", ["categorical", ["categorical", "continuous"], ["continuous", "categorical"]])
def test_categorical_and_mixed_conditions(solver, kind):
    rng = np.random.default_rng(0)
    x = rng.integers(-1, 3, (40, 2)).astype(float)
    ys = [rng.normal(size=(40, 2)) + a for a in (0, 1, 2)]
    check(Harvest.from_arrays([0, 1, 2], ys, [x] * 3, kind), moment(solver=solver))


@pytest.mark.parametrize("solver", ["paired", "semidual"])
def test_numbers_of_rows_may_differ_and_conditions_need_not_be_shared(solver):
    rng = np.random.default_rng(0)
    rows = (30, 11, 47)
    ys, xs = [rng.normal(size=(n, 2)) for n in rows], [rng.normal(size=(n, 2)) for n in rows]
    check(Harvest.from_arrays([0, 1, 2], ys, xs), moment(solver=solver))
    codes = [rng.integers(0, 3, (n, 1)) for n in rows]
    check(Harvest.from_arrays([0, 1, 2], ys, codes, "categorical"), moment(solver=solver))


@pytest.mark.parametrize("solver", ["paired", "semidual"])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("kind", ["continuous", "categorical"])
def test_tiny_harvests(solver, rows, kind):
    ys = [np.array([[0.0, 1], [2, 2]])[:rows] + a for a in (0, 1, 2)]
    xs = [np.array([[0.0], [1.0]])[:rows]] * 3
    check(Harvest.from_arrays([0, 1, 2], ys, xs, kind), moment(solver=solver))


@pytest.mark.parametrize("solver", ["paired", "semidual"])
@pytest.mark.parametrize("what", ["conditions", "outputs", "duplicates", "column"])
def test_what_does_not_vary(solver, what):
    harvest = cloud_harvest(conditions=2)
    ys, xs = list(harvest.outputs), list(harvest.conditions)
    if what == "conditions":
        xs = [np.full_like(x, 4.2) for x in xs]
    elif what == "outputs":
        ys = [np.full_like(y, 4.2) for y in ys]
    elif what == "column":
        ys = [np.stack([y[:, 0], np.full(len(y), 0.1)], 1) for y in ys]
    else:
        ys, xs = [np.repeat(y[:4], 10, 0) for y in ys], [np.repeat(x[:4], 10, 0) for x in xs]
    path = check(Harvest.from_arrays(harvest.hyperparameter, ys, xs), moment(solver=solver))
    if what == "outputs":
        np.testing.assert_allclose(path, 4.2, atol=0.05)
    if what == "column":
        np.testing.assert_allclose(path[..., 1], 0.1, atol=0.1)


@pytest.mark.parametrize("solver", ["paired", "semidual"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_outputs_of_any_scale(solver, scale):
    path = check(cloud_harvest(scale=scale), moment(solver=solver))
    assert np.abs(path).max() < 100 * scale


@pytest.mark.parametrize("solver", ["paired", "semidual"])
def test_heavy_outliers(solver):
    harvest = cloud_harvest(rows=80)
    for y in harvest.outputs:
        y[:2] *= 1e4
    path = check(harvest, moment(solver=solver))
    assert np.abs(path).max() < 1e6


def test_symmetric_and_long_schedules():
    for steps in (1, 2, 9, 10, 11):
        check(cloud_harvest(rows=8), moment(path_steps=steps, map_steps=steps))


def test_metric_is_learnt_but_not_by_the_euclidean_variants(of_variant):
    learnt = of_variant("K_theta", "paired")._parts.lagrangian.metric
    assert max(p.abs().max().item() for p in learnt.network.last.parameters()) > 0
    assert not list(of_variant("K_I-U", "paired")._parts.lagrangian.metric.parameters())


def test_default_configuration_decides_by_the_harvest():
    config = SurrogateConfig()
    assert (config.variant, config.solver, config.speed) == ("auto", "paired", "auto")
    assert (config.clock, config.clock_prior, config.persistence) == ("auto", "auto", True)
    assert config.eigenvalues == (0.1, 1.0)


@pytest.mark.parametrize("dimension", [1, 2, 16])
def test_weight_of_the_potential_grows_with_the_root_of_the_dimension_or_is_as_given(dimension):
    assert SurrogateConfig().alpha == "auto"
    surrogate = Surrogate.fit(cloud_harvest(dimension=dimension), moment(alpha="auto", variant="K_theta-U"))
    assert surrogate._parts.lagrangian.potential.alpha == surrogate.config.alpha == pytest.approx(0.03 * dimension**0.5)
    given = Surrogate.fit(cloud_harvest(dimension=dimension), moment(alpha=0.3, variant="K_theta-U"))
    assert given.config.alpha == 0.3


@pytest.mark.parametrize(
    ("deterministic", "anchors", "variant", "speed"),
    [(True, (0.0, 1.0), "K_I", "uniform"), (False, (0.0, 1.0), "K_I", "uniform"),
     (True, (0.0, 0.5, 1.0), "K_I", "uniform"), (False, (0.0, 0.5, 1.0), "K_I", "uniform")],
)  # fmt: skip
def test_surrogate_s_configuration_holds_what_was_decided(deterministic, anchors, variant, speed):
    surrogate = Surrogate.fit(moving(anchors, "linear", deterministic=deterministic), MOMENT)
    assert (MOMENT.variant, MOMENT.speed) == ("auto", "auto")
    assert surrogate.config == moment(variant=variant, speed=speed, interpolation="linear")
    assert (surrogate._parts.lagrangian.potential is not None) == variant.endswith("-U")
    assert surrogate.deterministic is deterministic


def test_fit_carries_the_chosen_clock_its_skew_and_the_errors(skewed):
    fit, chosen = fit_parts(skewed, MOMENT, 0, "cpu"), choose_clock(skewed, False, MOMENT)
    assert (fit.clock.base, fit.clock.anchors, fit.clock_errors) == (
        chosen.clock.base,
        chosen.clock.anchors,
        chosen.errors,
    )
    assert "skewed linear by condition" in fit.clock_errors
    for name, tensor in chosen.clock.skew.state_dict().items():
        assert torch.equal(fit.parts.clock.skew.state_dict()[name], tensor)


def test_seed_decides_no_clock(skewed):
    first, other = (fit_parts(skewed, moment(variant="K_I"), seed, "cpu").parts.clock.skew for seed in (0, 1))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eigenvalues": (1.0, 0.1)}, r"eigenvalues = \[1.0, 0.1\]: both must be positive, the smallest first"),
        ({"eigenvalues": (0.0, 1.0)}, "eigenvalues"),
        ({"output_bandwidth": 0.0}, "output_bandwidth"),
        ({"condition_bandwidth": -1.0}, "condition_bandwidth"),
        ({"path_widths": ()}, "path_widths"),
        ({"map_widths": (0,)}, "map_widths"),
        ({"alpha": -0.1}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"variant": "K_J"}, "variant"),
        ({"solver": "guess"}, "solver"),
        ({"spline_functions": 1}, "spline_functions"),
        ({"clock": "sundial"}, "clock"),
        ({"clock_prior": "hold"}, "clock_prior"),
        ({"clock_prior": "learnt"}, "clock_prior"),
        ({"persistence": "perhaps"}, "persistence"),
        ({"speed": "fast"}, "speed"),
        ({"beta": 1}, "beta"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SurrogateConfig(**settings)


@pytest.mark.parametrize("contexts", [1, 4])
def test_density_of_many_draws_at_few_conditions_is_that_of_all_anchors(contexts):
    rng = np.random.default_rng(0)
    x = np.repeat(np.arange(float(contexts)), 1000)[:, None]
    ys = [rng.normal([centre, 0], 0.3, (len(x), 2)) for centre in (0.0, 3.0, 6.0)]
    harvest = Harvest.from_arrays([0, 0.5, 1], ys, [x] * 3, deterministic=False)
    surrogate = Surrogate.fit(harvest, moment(variant="K_I", clock="linear", density_samples=1000))
    density = surrogate.log_density(np.array([[0.0, 0.0], [3.0, 0.0], [6.0, 0.0]]), x[:1].repeat(3, axis=0))
    assert np.ptp(density) < 0.5  # the three clouds are alike


def test_clock_that_the_anchors_do_not_allow_is_refused(cloud):
    for field in ("clock", "clock_prior"):
        with pytest.raises(
            ConfigurationError, match=rf"^{field} = 'probit' is not finite on the anchors \[0.0, 0.5, 1.0\]"
        ):
            Surrogate.fit(cloud, moment(**{field: "probit"}))


def test_clock_is_not_learnt_from_two_anchors():
    with pytest.raises(ConfigurationError, match="clock = 'learnt' needs three or more anchors"):
        Surrogate.fit(cloud_harvest(anchors=(0.0, 1.0)), moment(clock="learnt"))


@pytest.mark.parametrize("device", ["cuda", "gpu", "cuda:99"])
def test_device_that_is_not_there_is_refused(cloud, device):
    if torch.cuda.is_available() and device != "gpu":
        pytest.skip("there is one")
    with pytest.raises(ConfigurationError, match=f"device = '{device}'.*use auto"):
        Surrogate.fit(cloud, MOMENT, device=device)


def test_auto_is_the_device_that_is_there():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_fit_that_does_not_end_finite_is_refused(cloud):
    with pytest.raises(FitError, match="lower the learning rates"):
        Surrogate.fit(cloud, moment(variant="K_theta", path_learning_rate=1e30))


def test_density_holds_all_anchors_but_no_more_than_it_may(cloud):
    samples = anchor_samples(cloud, Standardiser.of(cloud), torch.device("cpu"))
    assert make_density(samples, moment(density_samples=1000), 0).support.shape == (1, 120, 2)
    assert make_density(samples, moment(density_samples=7), 0).support.shape == (1, 21, 2)


def test_given_bandwidths_are_used(cloud):
    fit = fit_parts(cloud, moment(output_bandwidth=0.33, condition_bandwidth=0.44), 0, "cpu")
    assert (fit.parts.density.output_bandwidth, fit.parts.density.condition_bandwidth) == (0.33, 0.44)


def test_parts_are_frozen_after_the_fit(cloud_surrogate):
    assert not any(p.requires_grad for p in cloud_surrogate._parts.parameters())


def test_categories_with_networks_carry_them(circles):
    assert Surrogate.fit(circles_harvest(draws=3), MOMENT).networks == circles.networks
