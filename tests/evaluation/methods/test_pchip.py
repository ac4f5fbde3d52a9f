import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from pipeline.data.harvest import Harvest
from pipeline.evaluation.methods.method import PolicySituation
from pipeline.evaluation.methods.pchip import METHOD
from tests.evaluation.methods.situations import situation
from tests.evaluation.oracles import ConstantVelocity, Shifting, make_schema

ANCHORS = (0.0, 0.1, 0.4, 0.7, 1.0)
CONTEXTS = np.random.default_rng(0).normal(size=(7, 2))


def law(value):
    """Monotone in λ for the first output, not for the second."""
    return np.stack([np.exp(3 * value) + CONTEXTS[:, 0], np.sin(6 * value + CONTEXTS[:, 1])], axis=1)


def known_rows(anchors=ANCHORS, outputs=law, **options):
    """A deterministic harvest whose rows have another order at every anchor."""
    orders = [np.random.default_rng(k).permutation(len(CONTEXTS)) for k in range(len(anchors))]
    return Harvest.from_arrays(
        anchors,
        [outputs(a)[order] for a, order in zip(anchors, orders, strict=True)],
        [CONTEXTS[order] for order in orders],
        deterministic=True,
        **options,
    )


@pytest.mark.parametrize("value", [0.03, 0.1001, 0.25, 0.55, 0.999])
def test_known_rows_follow_scipys_curve(value):
    sample = METHOD.sample(situation(known_rows(), value, deterministic=True))
    expected = PchipInterpolator(ANCHORS, [law(a) for a in ANCHORS])(value)
    rows = [int(np.flatnonzero((x == CONTEXTS).all(1))[0]) for x in sample.conditions]
    np.testing.assert_allclose(sample.outputs, expected[rows], atol=1e-9)


@pytest.mark.parametrize("value", [0.2, 0.85])
def test_draws_follow_scipys_curve_through_their_ranks(value):
    # In one dimension optimal transport joins equal ranks, so that every draw has a curve of its own.
    noise = np.random.default_rng(1).normal(size=(40, 1))
    ranked = {a: np.sort(np.exp(2 * a) + (1 + a) * noise, axis=0) for a in ANCHORS}
    rng = np.random.default_rng(2)
    harvest = Harvest.from_arrays(
        ANCHORS, [rng.permutation(y) for y in ranked.values()], [np.zeros((40, 1))] * 5, "categorical"
    )
    sample = METHOD.sample(situation(harvest, value, deterministic=False))
    expected = PchipInterpolator(ANCHORS, list(ranked.values()))(value)
    np.testing.assert_allclose(np.sort(sample.outputs, axis=0), expected, atol=1e-9)
    assert sample.weight is None


def test_curves_are_exact_at_the_anchors_and_monotone_between():
    harvest = known_rows()
    at = [METHOD.sample(situation(harvest, v, deterministic=True)) for v in (1e-9, 0.1 + 1e-9, 1 - 1e-9)]
    for sample, anchor in zip(at, (0.0, 0.1, 1.0), strict=True):
        rows = [int(np.flatnonzero((x == CONTEXTS).all(1))[0]) for x in sample.conditions]
        np.testing.assert_allclose(sample.outputs, law(anchor)[rows], atol=1e-6)
    values = np.linspace(0.401, 0.699, 30)  # within one interval rows keep their order
    first = [METHOD.sample(situation(harvest, v, deterministic=True)).outputs[:, 0] for v in values]
    assert (np.diff(first, axis=0) > 0).all()


def test_angles_go_the_short_way_round():
    angles = np.deg2rad([150.0, 170.0, -170.0])  # across the cut at 180°
    harvest = known_rows(
        (0.0, 1.0, 2.0), lambda a: np.full((7, 1), angles[int(a)]), output_kind="circular", names={"outputs": ["y"]}
    )
    at = METHOD.sample(situation(harvest, 1.25, deterministic=True))
    expected = PchipInterpolator((0, 1, 2), [150.0, 170.0, 190.0])(1.25)
    np.testing.assert_allclose(np.rad2deg(at.outputs) % 360, expected, atol=1e-6)


def test_two_anchors_and_anchors_themselves_have_no_curve():
    assert METHOD.sample(situation(known_rows((0.0, 1.0)), 0.5, deterministic=True)) is None
    assert METHOD.sample(situation(known_rows(), 0.4, deterministic=True)) is None


def test_a_policy_joins_the_networks_outputs_of_equal_seeds():
    networks = {a: Shifting(np.array([a**2, 1.0])) for a in (0.0, 0.5, 1.0)}
    policy = METHOD.policy(PolicySituation(ConstantVelocity(schema=make_schema()), networks, 0.25))
    shift = PchipInterpolator((0, 0.5, 1), [[0, 1], [0.25, 1], [1, 1]])(0.25)
    x = np.zeros((3, 1))
    np.testing.assert_allclose(policy(x, 5, 7), Shifting(shift).outputs(x, 5, 7), atol=1e-9)
