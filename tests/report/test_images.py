import dataclasses

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.evaluate import evaluate
from pipeline.report.images import Followed, bounds, draw_images, mosaic
from pipeline.report.panels import choose_panels
from pipeline.report.pictures import draw_pictures
from tests.evaluation.oracles import VALUES, ConstantVelocity, forecast_harvest, make_schema, stochastic_harvest

VELOCITY = np.array([3.0, 4.0, 0.0, -1.0])


def image_harvest(draws=6, classes=3):
    """Clouds of images of 2×2 pixels that move at constant velocity; the draws stand in another order at every λ."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(float(classes)), draws)[:, None]
    cloud = rng.standard_normal((len(codes), 4))
    order = [rng.permutation(draws) for _ in VALUES]
    outputs = [
        (cloud + VELOCITY * value).reshape(classes, draws, 4)[:, rows].reshape(-1, 4)
        for value, rows in zip(VALUES, order, strict=True)
    ]
    schema = make_schema(4, picture="image")
    return Harvest.from_arrays(VALUES, outputs, [codes] * len(VALUES), schema=schema)


def surrogate_of(score, velocity=VELOCITY, **settings):
    return ConstantVelocity(velocity=velocity, schema=score.schema, **settings)


def followed(score, velocity=VELOCITY):
    surrogate = surrogate_of(score, velocity)
    comparison = Comparison.of(score, deterministic=False)
    panel = choose_panels(surrogate, score, comparison)[0]
    return Followed.of(surrogate, score, panel, comparison)


def test_a_mosaic_has_the_images_in_their_places_and_gaps_between_them():
    rows = np.arange(2 * 3 * 4, dtype=float).reshape(2, 3, 4)
    whole = mosaic(rows)
    assert whole.shape == (5, 8)
    np.testing.assert_array_equal(whole[3:5, 6:8], [[20, 21], [22, 23]])
    np.testing.assert_array_equal(whole[:2, :2], [[0, 1], [2, 3]])
    assert np.isnan(whole[2]).all()
    assert np.isnan(whole[:, [2, 5]]).all()
    assert np.isfinite(whole).sum() == rows.size


def test_where_the_surrogate_is_exact_every_draw_finds_itself():
    found = followed(image_harvest())
    np.testing.assert_allclose(found.partners, found.moved, atol=1e-12)
    assert (np.sort(found.partner, axis=0) == np.arange(6)[:, None]).all()
    assert len({tuple(column) for column in found.partner.T}) > 1  # and not by their order


def test_the_draw_shown_is_of_median_error():
    score = image_harvest(draws=5)
    found = followed(score)
    # Draw i is moved i² too far, in an order that is not that of the rows.
    wrong = np.array([2, 0, 4, 1, 3])
    away = dataclasses.replace(found, moved=found.moved + (wrong**2)[:, None, None])
    assert wrong[away.median_draw] == 2


def test_bounds_are_those_of_the_schema_or_else_of_what_is_shown():
    score = image_harvest()
    assert bounds(score, [np.array([[[-3.0, 2.0, 0.0, 5.0]]])]) == (-3.0, 5.0)
    columns = tuple(c.model_copy(update={"lower": 0.0, "upper": 1.0}) for c in score.schema.outputs)
    bounded = dataclasses.replace(score, schema=score.schema.model_copy(update={"outputs": columns}))
    assert bounds(bounded, [np.array([[[0.2, 0.3, 0.2, 0.4]]])]) == (0.0, 1.0)


def test_images_have_a_strip_a_class_and_no_scatter_of_two_pixels(tmp_path):
    score = image_harvest(draws=3, classes=12)
    surrogate = surrogate_of(score)
    panels = choose_panels(surrogate, score, Comparison.of(score, deterministic=False))
    assert len(panels) == 10
    pictures = draw_pictures(surrogate, score, evaluate(surrogate, score), tmp_path)
    assert [p.file for p in pictures] == ["errors.png", "movement.png", "deviations.png", "fit.png"]
    assert {p.file for p in pictures} == {path.name for path in tmp_path.iterdir()}
    assert all("dropout" in p.caption for p in pictures if p.file == "movement.png")


def test_deterministic_images_have_no_deviations(tmp_path):
    forecast = forecast_harvest(columns=4)
    schema = forecast.schema.model_copy(update={"picture": "image"})
    score = dataclasses.replace(forecast, schema=schema)
    surrogate = surrogate_of(score, deterministic=True)
    comparison = Comparison.of(score, deterministic=True)
    panels = choose_panels(surrogate, score, comparison)
    assert [p.file for p in draw_images(surrogate, score, panels, comparison, tmp_path)] == ["movement.png"]


def test_images_where_conditions_are_not_shared(tmp_path):
    rng = np.random.default_rng(0)
    schema = make_schema(4, kind="continuous", picture="image")
    arrays = [[rng.standard_normal((n, columns)) for n in (9, 7, 8, 5, 6)] for columns in (4, 1)]
    score = Harvest.from_arrays(VALUES, *arrays, schema=schema)
    surrogate = surrogate_of(score)
    comparison = Comparison.of(score, deterministic=False)
    panels = choose_panels(surrogate, score, comparison)
    found = Followed.of(surrogate, score, panels[0], comparison)
    assert found.moved.shape == found.partners.shape == (9, 5, 4)
    assert len(draw_images(surrogate, score, panels, comparison, tmp_path)) == 2


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match=r"picture = 'image' with 3 outputs: a square image has 1, 4, 9, 16"):
        make_schema(3, picture="image")


def test_scattered_outputs_keep_four_panels():
    score = stochastic_harvest()
    many = Harvest.from_arrays(
        VALUES, [np.tile(y, (2, 1)) for y in score.outputs], [np.repeat(np.arange(8.0), 9)[:, None]] * len(VALUES),
        schema=score.schema,
    )  # fmt: skip
    assert len(choose_panels(surrogate_of(many), many, Comparison.of(many, deterministic=False))) == 4
