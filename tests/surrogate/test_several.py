"""Several hyperparameters: closed forms, exact anchors, continuity, round trips, refusals."""

import numpy as np
import pytest
from scipy.special import ndtri

from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.families.turning_cloud.family import draw
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.decide import decide
from pipeline.surrogate.trajectory import Trajectories

pytestmark = pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
STRAIGHT = SurrogateConfig(variant="K_I", clock="linear")
NAMES = {"hyperparameter": ["turn", "radius"]}
GRID = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 1.0)]
X = np.linspace(-1, 1, 40)[:, None]


def bilinear(value, x):
    """Outputs (N, 2) of a law that is bilinear in λ between any anchors."""
    turn, radius = value
    return np.c_[(1 + 2 * turn) * (1 + radius) * x[:, 0], turn - 3 * turn * radius + x[:, 0] ** 2]


def deterministic(vertices=GRID, law=bilinear, **options) -> Harvest:
    names = NAMES if len(vertices[0]) == 2 else {"hyperparameter": list("abc")}
    return Harvest.from_arrays(
        vertices, [law(v, X) for v in vertices], [X] * len(vertices), deterministic=True, names=names, **options
    )


def gaussian(value, count=400):
    """Draws of N(3 turn, (1 + radius)²), evenly by quantile: their moments are the law's."""
    turn, radius = value
    return (3 * turn + (1 + radius) * ndtri((np.arange(count) + 0.5) / count))[:, None]


def draws(count=400, seed=0) -> Harvest:
    generator = np.random.default_rng(seed)
    y = [generator.permutation(gaussian(v, count)) for v in GRID]
    return Harvest.from_arrays(GRID, y, [np.zeros((count, 0))] * len(GRID), deterministic=False, names=NAMES)


@pytest.fixture(scope="module")
def planar() -> Surrogate:
    return Surrogate.fit(deterministic(), STRAIGHT)


@pytest.fixture(scope="module")
def cloud() -> Surrogate:
    return Surrogate.fit(draws(), STRAIGHT)


@pytest.mark.parametrize("value", [(0.2, 0.7), (0.8, 0.1), (0.5, 0.3), (0.3, 1.0)])
def test_a_bilinear_law_is_exact_inside_every_cell(planar, value):
    np.testing.assert_allclose(planar.sample(X, value)[:, 0], bilinear(value, X), atol=2e-6)


def test_three_hyperparameters_with_a_trilinear_law():
    def law(value, x):
        a, b, c = value
        return (1 + a * b * c + 2 * a - b) * x + c * a

    vertices = [(a, b, c) for a in (0.0, 1.0) for b in (0.0, 1.0) for c in (0.0, 2.0, 3.0)]
    surrogate = Surrogate.fit(deterministic(vertices, law), STRAIGHT)
    for value in [(0.3, 0.6, 2.5), (0.9, 0.2, 0.7)]:
        np.testing.assert_allclose(surrogate.sample(X, value)[:, 0], law(value, X), atol=5e-6)


def test_an_affine_law_is_exact_between_scattered_anchors():
    def law(value, x):
        turn, radius = value
        return (1 + turn + 2 * radius) * x

    vertices = [(0.0, 0.0), (1.0, 0.1), (0.2, 1.0), (0.9, 0.9), (0.45, 0.5)]
    surrogate = Surrogate.fit(deterministic(vertices, law), STRAIGHT)
    for value in [(0.4, 0.4), (0.8, 0.6), (0.3, 0.7)]:
        np.testing.assert_allclose(surrogate.sample(X, value)[:, 0], law(value, X), atol=5e-6)
    with pytest.raises(HyperparameterError, match="outside the anchors' hull"):
        surrogate.sample(X, (0.05, 0.9))


def test_the_order_of_the_anchors_does_not_matter(planar):
    shuffled = [GRID[k] for k in (3, 0, 5, 1, 4, 2)]
    other = Surrogate.fit(deterministic(shuffled), STRAIGHT)
    np.testing.assert_allclose(other.sample(X, (0.3, 0.4)), planar.sample(X, (0.3, 0.4)), atol=1e-6)


def test_every_anchor_is_exact(planar, cloud):
    for value in GRID:
        np.testing.assert_array_equal(planar.sample(X, value)[:, 0], bilinear(value, X))
        own = cloud.sample(np.zeros((1, 0)), value, draws=400)[0]
        np.testing.assert_allclose(np.sort(own, axis=0), gaussian(value), atol=1e-12)


def test_a_draw_is_continuous_across_the_faces_of_cells(cloud):
    none = np.zeros((1, 0))
    for radius in (0.0, 0.3, 1.0):
        at = cloud.sample(none, (0.5, radius), draws=50)
        for step in (-3e-6, 3e-6):
            near = cloud.sample(none, (0.5 + step, radius), draws=50)
            assert np.abs(near - at).max() < 1e-3


def test_gaussian_draws_move_to_the_law_inside_a_cell(cloud):
    found = np.sort(cloud.sample(np.zeros((1, 0)), (0.25, 0.5), draws=400)[0], axis=0)
    np.testing.assert_allclose(found, gaussian((0.25, 0.5)), atol=0.02)


def test_transport_from_an_anchor_is_the_gaussian_map(cloud):
    y = gaussian((0.0, 0.0), 50)
    for value in [(0.75, 0.5), (1.0, 1.0), (0.0, 0.5), (0.25, 0.0)]:
        moved = cloud.transport(y, np.zeros((50, 0)), (0.0, 0.0), value)
        np.testing.assert_allclose(moved, 3 * value[0] + (1 + value[1]) * y, rtol=0.03, atol=0.05)
    back = cloud.transport(moved, np.zeros((50, 0)), {"turn": 0.0, "radius": 0.0}, (0.0, 0.0))
    np.testing.assert_array_equal(back, moved)


NINE = [(t, r) for t in (0.0, 1.0, 2.0) for r in (0.0, 1.0, 2.0)]
SCATTERED = [(0.9, 1.1), (2.0, 2.0), (0.0, 2.0), (2.0, 0.0), (0.0, 0.0)]


@pytest.mark.parametrize("vertices", [NINE, SCATTERED])
def test_transport_goes_from_any_anchor_in_any_direction(vertices):
    """Also along edges that are walked down, from arrays as from tensors; of an affine law every answer is exact."""

    def affine(value, x):
        return np.c_[(1 + value[0]) + x[:, 0], value[1] - 2 * x[:, 0]]

    surrogate = Surrogate.fit(deterministic(vertices, affine), STRAIGHT)
    assert surrogate.own_share == 0
    for source in vertices:
        for target in [(1.0, 1.0), (1.0, 1.5), (2.0, 2.0), (0.9, 1.5), (0.0, 0.0)]:
            moved = surrogate.transport(affine(source, X), X, source, target)
            np.testing.assert_allclose(moved, affine(target, X), atol=2e-5)


def test_transport_along_an_edge_visits_no_other_anchor(cloud, monkeypatch):
    """A map that is not needed may not be invertible: its warning would be of no answer that is given."""
    visited = []
    down = Trajectories.down

    def counted(*given):
        visited.append(given[-1])
        return down(*given)

    monkeypatch.setattr(Trajectories, "down", counted)
    y = gaussian((1.0, 0.0), 50)
    moved = cloud.transport(y, np.zeros((50, 0)), (1.0, 0.0), (1.0, 0.5))
    assert visited == []
    np.testing.assert_allclose(moved, 3 + 1.5 * (y - 3), rtol=0.03, atol=0.05)
    cloud.transport(y, np.zeros((50, 0)), (1.0, 0.0), (0.75, 0.0))
    assert len(visited) == 1


def test_angles_of_several_hyperparameters_turn_along_their_edges():
    """Anchors that follow one another in the harvest need be no neighbours: from (0, 2) to (1, 0) is no turn."""
    rng = np.random.default_rng(0)

    def angle(value, count=30):
        return np.mod(120 * value[1] + 20 * value[0] + 5 * rng.standard_normal((count, 1)), 360)

    y = [angle(value) for value in NINE]
    bounds = {"y0": (0.0, 360.0)}
    made = Harvest.from_arrays(
        NINE, y, [np.zeros((30, 0))] * 9, output_kind="circular", bounds=bounds, deterministic=False
    )
    surrogate = Surrogate.fit(made, STRAIGHT)
    for value in [(0.5, 0.0), (0.5, 0.5), (1.5, 1.5)]:
        moved = surrogate.transport(y[0], np.zeros((30, 0)), (0.0, 0.0), value)
        mean = np.angle(np.exp(1j * np.deg2rad(moved - 120 * value[1] - 20 * value[0])).mean(), deg=True)
        assert abs(mean) < 4


def test_a_float32_value_on_a_slanted_face_is_inside_the_hull():
    surrogate = Surrogate.fit(deterministic([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]), STRAIGHT)
    on_face = np.array([0.6, 0.4], np.float32)  # their sum is 1.00000003
    np.testing.assert_allclose(surrogate.sample(X, on_face), surrogate.sample(X, (0.6, 0.4)), atol=1e-5)


def test_log_density_is_of_the_anchors_samples(cloud):
    near, far = cloud.log_density(np.array([[0.0], [50.0]]), np.zeros((2, 0)))
    assert near > far


def test_transport_from_inside_a_cell_is_refused_with_the_anchors(cloud):
    with pytest.raises(HyperparameterError, match=r"source \(turn, radius\) = \(0.25, 0.5\): .* moved from an anchor"):
        cloud.transport(gaussian((0, 0), 3), np.zeros((3, 0)), (0.25, 0.5), (1.0, 1.0))


def test_rows_may_have_a_value_each_by_arrays_or_by_names(planar):
    turns, radii = np.linspace(0, 1, 40), np.linspace(1, 0, 40)
    by_array = planar.sample(X, np.c_[turns, radii])
    np.testing.assert_array_equal(by_array, planar.sample(X, {"radius": radii, "turn": turns}))
    for k in (0, 17, 39):
        np.testing.assert_allclose(by_array[k], planar.sample(X[k : k + 1], (turns[k], radii[k]))[0], atol=1e-6)


def test_saved_and_loaded_it_answers_the_same(planar, cloud, tmp_path):
    for k, (surrogate, x) in enumerate(((planar, X), (cloud, np.zeros((4, 0))))):
        surrogate.save(tmp_path / str(k))
        loaded = Surrogate.load(tmp_path / str(k))
        np.testing.assert_array_equal(loaded.sample(x, (0.3, 0.6)), surrogate.sample(x, (0.3, 0.6)))
        assert loaded.digest == surrogate.digest
        assert loaded.vertices == tuple(GRID)


def test_a_harvest_is_saved_and_loaded_with_its_names(tmp_path):
    harvest = deterministic()
    harvest.save(tmp_path / "harvest")
    loaded = Harvest.load(tmp_path / "harvest")
    assert loaded.digest == harvest.digest
    assert [c.name for c in loaded.schema.hyperparameters] == ["turn", "radius"]
    assert loaded.values == tuple(GRID)


def test_straight_paths_do_not_depend_on_the_order(planar, cloud):
    assert planar.order_effect(X[:3]) < 1e-6
    assert cloud.order_effect(np.zeros((1, 0))) < 1e-6
    (record,) = [c for c in cloud.candidates if c.name.startswith("order")]
    assert record.chosen
    assert "no interior value of every hyperparameter" in record.remark
    assert "differ by 0.0 %" in record.remark


@pytest.mark.slow
def test_the_order_is_decided_by_the_vertex_left_out():
    vertices = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 0.5, 1.0)]
    generator = np.random.default_rng(0)
    y = [generator.permutation(gaussian(v, 60)) for v in vertices]
    harvest = Harvest.from_arrays(vertices, y, [np.zeros((60, 0))] * 9, deterministic=False, names=NAMES)
    surrogate = Surrogate.fit(harvest, STRAIGHT)
    orders = {c.name: c for c in surrogate.candidates if c.name.startswith("order")}
    assert set(orders) == {"order turn, radius", "order radius, turn"}
    assert all(c.error is not None and c.error < 0.05 for c in orders.values())
    assert orders["order turn, radius"].chosen  # the declared one, unless another saves 15 %


def test_each_hyperparameter_has_its_clock():
    surrogate = Surrogate.fit(deterministic(), SurrogateConfig(variant="K_I", clocks={"radius": "hold"}))
    assert "radius: hold" in surrogate.clock
    np.testing.assert_allclose(
        surrogate.sample(X, (0.5, 0.9))[:, 0], bilinear((0.5, 0.0), X), atol=1e-6
    )  # hold stays at the left anchor


def test_settings_of_unknown_hyperparameters_are_refused():
    with pytest.raises(ConfigurationError, match=r"clocks: \['size'\] are not hyperparameters; known: \['turn'"):
        Surrogate.fit(deterministic(), SurrogateConfig(clocks={"size": "linear"}))
    with pytest.raises(ConfigurationError, match=r"order = \['turn'\]: every one of \['turn', 'radius'\]"):
        Surrogate.fit(deterministic(), SurrogateConfig(order=("turn",)))


def test_positions_are_one_a_coordinate_within_the_boxes_of_a_grid(planar):
    np.testing.assert_allclose(planar.positions(X, (0.75, 0.25)), np.tile([0.5, 0.25], (len(X), 1)), atol=1e-7)
    np.testing.assert_allclose(planar.positions(X, {"turn": 0.5, "radius": 0.0})[0], [1.0, 0.0])
    rows = np.c_[np.linspace(0, 1, len(X)), np.full(len(X), 0.3)]
    expected = np.where(rows[:, 0] <= 0.5, 2 * rows[:, 0], 2 * rows[:, 0] - 1)
    np.testing.assert_allclose(planar.positions(X, rows)[:, 0], expected, atol=1e-6)


def test_scattered_anchors_have_weights_and_no_positions():
    law = [(0.0, 0.0), (1.0, 0.1), (0.2, 1.0), (0.9, 0.9)]
    surrogate = Surrogate.fit(deterministic(law, lambda v, x: (1 + v[0] + v[1]) * x), STRAIGHT)
    with pytest.raises(ConfigurationError, match="the anchors are scattered"):
        surrogate.positions(X, (0.5, 0.5))


def test_what_needs_one_hyperparameter_says_so(planar):
    with pytest.raises(ConfigurationError, match="its anchors are in `vertices`"):
        _ = planar.anchors
    with pytest.raises(ConfigurationError, match="pchip"):
        Surrogate.fit(deterministic(), SurrogateConfig(interpolation="pchip"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([(0, 0), (0, 0), (1, 1)], r"\(0.0, 0.0\) is repeated"),
        ([(0, 0), (1, 1)], "at least 3 are required to span a volume"),
        ([(0, 1), (0.5, 1), (1, 1)], "column 1 has one value, 1.0, at all anchors"),
        ([(0, 0), (np.nan, 1), (1, 0)], "not finite"),
    ],
)
def test_anchors_that_span_nothing_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        Harvest.from_arrays(values, [X] * len(values), [X] * len(values), names=NAMES)


def test_names_and_columns_must_agree():
    with pytest.raises(ConfigurationError, match=r"names\['hyperparameter'\] has 1 entries for 2 columns"):
        Harvest.from_arrays(GRID, [X] * 6, [X] * 6, names={"hyperparameter": "turn"})


def test_a_column_of_one_hyperparameter_is_one_hyperparameter():
    flat, column = ([[0.0], [1.0]], [0.0, 1.0])
    one, other = (Harvest.from_arrays(v, [X, X + 1], [X, X], deterministic=True) for v in (flat, column))
    assert one.digest == other.digest


SHARPLY = SurrogateConfig(variant="K_theta", clock="linear", path_steps=10, straight=("radius",))


def turned(value, x):
    """Points (N, 2) on circles: turned by π turn, and pushed out by the radius."""
    turn, radius = value
    angle = np.pi * turn + x[:, 0]
    return (1 + radius) * np.c_[np.cos(angle), np.sin(angle)]


@pytest.fixture(scope="module")
def bent() -> Surrogate:
    return Surrogate.fit(deterministic(law=turned), SHARPLY.model_copy(update={"order": ("turn", "radius")}))


def test_along_a_straight_coordinate_outputs_move_on_lines_and_along_others_they_bend(bent):
    for turn in (0.0, 0.3, 1.0):
        inner, outer, between = (bent.sample(X, (turn, radius))[:, 0] for radius in (0.0, 1.0, 0.25))
        np.testing.assert_allclose(between, 0.75 * inner + 0.25 * outer, atol=1e-5)
    left, right, middle = (bent.sample(X, (turn, 0.0))[:, 0] for turn in (0.0, 0.5, 0.25))
    assert np.abs(middle - (left + right) / 2).max() > 1e-3


def test_the_order_decides_whether_inner_geodesics_bend(bent):
    # Radius first: what is bent are paths between points that are no anchor's, so they, too, must be learnt.
    other = Surrogate.fit(deterministic(law=turned), SHARPLY.model_copy(update={"order": ("radius", "turn")}))
    for surrogate in (bent, other):
        np.testing.assert_allclose(surrogate.sample(X, (0.5, 0.5))[:, 0], turned((0.5, 0.5), X), atol=1e-5)
    assert other.order_effect(X[:4]) > 0


def test_all_coordinates_straight_is_multilinear_whatever_the_variant():
    straight = {"straight": ("turn", "radius"), "order": ("turn", "radius")}
    surrogate = Surrogate.fit(deterministic(), SHARPLY.model_copy(update=straight))
    np.testing.assert_allclose(surrogate.sample(X, (0.2, 0.7))[:, 0], bilinear((0.2, 0.7), X), atol=2e-6)


def test_straight_coordinates_survive_saving(bent, tmp_path):
    bent.save(tmp_path / "bundle")
    loaded = Surrogate.load(tmp_path / "bundle")
    assert loaded.config.straight == ("radius",)
    np.testing.assert_array_equal(loaded.sample(X[:3], (0.3, 0.6)), bent.sample(X[:3], (0.3, 0.6)))


def test_a_configuration_without_straight_is_written_as_ever():
    assert "straight" not in SurrogateConfig().model_dump()
    assert SurrogateConfig(straight=("radius",)).model_dump()["straight"] == ("radius",)


@pytest.mark.parametrize(
    ("harvest", "message"),
    [
        (deterministic(), r"straight = \['size'\]: \['size'\] are not among \['turn', 'radius'\]"),
        (
            Harvest.from_arrays([0.0, 1.0], [X, X], [X, X], names={"hyperparameter": "size"}, deterministic=True),
            "straight is for several hyperparameters; use variant K_I",
        ),
    ],
)
def test_straight_names_that_do_not_fit_are_refused(harvest, message):
    with pytest.raises(ConfigurationError, match=message):
        Surrogate.fit(harvest, SurrogateConfig(straight=("size",)))


@pytest.mark.slow
def test_what_straight_lines_predict_stays_straight_and_what_turns_bends():
    vertices = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 0.5, 1.0)]
    rng = np.random.default_rng(0)
    y = [draw(*v, np.arange(2), 60, rng).reshape(-1, 2) for v in vertices]
    x = np.repeat([0, 1], 60)[:, None]
    harvest = Harvest.from_arrays(vertices, y, [x] * 9, "categorical", deterministic=False, names=NAMES)
    decided = decide(harvest, False, SurrogateConfig())
    assert decided.config.straight == ("radius",)
    assert decided.config.variant != "K_I"
    assert [c.name for c in decided.candidates if c.name.startswith("straight")] == ["straight along radius"]
