"""Every kind of outputs and conditions through the stages and the surrogate."""

import json

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import DataError
from pipeline.stages import compare, dataset, fit, harvest, ingest, leave_out, timing, train, validate
from pipeline.surrogate import Surrogate
from tests.families.kinds import FLOOR, KINDS, NOISE, VALUES, kinds_config, shift, truth

COMPARISON = {
    "vectors": "matched",
    "draws": "conditional",
    "bounded": "conditional",
    "categorical": "conditional",
    "mixed": "conditional",
}


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    """Per kind: (config, root), with everything up to the surrogate; made when it is asked for."""
    done = {}

    def upto_fit(kind):
        if kind not in done:
            config, root = kinds_config(kind), tmp_path_factory.mktemp(kind)
            ingest.run(config, root)
            for value in map(str, VALUES):
                train.run(config, value, root)
                harvest.run(config, value, root)
            dataset.run(config, root)
            fit.run(config, root)
            done[kind] = config, root
        return done[kind]

    return upto_fit


def parts(fitted, kind):
    config, root = fitted(kind)
    folder = root / config.folder
    return Surrogate.load(folder / "surrogate"), Harvest.load(folder / "dataset" / "score")


@pytest.mark.parametrize("kind", KINDS)
def test_surrogate_moves_samples_as_the_closed_form_does(fitted, kind):
    surrogate, score = parts(fitted, kind)
    x, start, level = score.conditions[0], score.outputs[0], 0.5
    moved = surrogate.transport(start, x, 0.0, level)
    inner = np.ones(start.shape, bool)
    if kind == "bounded":  # away from the bounds, that is, where nothing was cut
        goal = truth(kind, x, level)
        inner = np.stack([np.abs(goal[:, 0] - 0.5) < 0.2, goal[:, 1] > 0], axis=1)
    error = (moved - start - level * shift(kind, x))[inner]
    # Couplings of six noisy draws are not the identity: a part of the noise remains.
    assert np.sqrt(np.mean(error**2)) < (0.02 if kind == "vectors" else 1.5 * NOISE)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_schemas_shape_and_repeat_themselves(fitted, kind):
    surrogate, score = parts(fitted, kind)
    x = np.unique(score.conditions[0], axis=0)
    for level in (0.0, 0.3, 1.0):
        drawn = surrogate.sample(x, level, draws=3, seed=5)
        assert drawn.shape == (len(x), 3, len(score.schema.outputs))
        np.testing.assert_array_equal(drawn, surrogate.sample(x, level, draws=3, seed=5))
        assert (np.ptp(drawn, axis=1) == 0).all() == (kind == "vectors")


def test_bounds_hold_wherever_samples_are_moved(fitted):
    surrogate, score = parts(fitted, "bounded")
    x = score.conditions[0]
    corners = np.tile(np.array([[0.0, FLOOR], [1.0, 50.0]], np.float32), (len(x) // 2, 1))
    for start in (score.outputs[0], corners):
        for level in (0.1, 0.5, 1.0):
            moved = surrogate.transport(start, x, 0.0, level)
            assert ((moved[:, 0] >= 0) & (moved[:, 0] <= 1) & (moved[:, 1] >= FLOOR)).all()
        paths = surrogate.path(start, x, 0.0, [0.25, 0.75])
        assert ((paths[..., 0] >= 0) & (paths[..., 0] <= 1) & (paths[..., 1] >= FLOOR)).all()
    # The bounds are met, not only kept: some outputs are pressed against each of the two that λ moves them to.
    moved = surrogate.transport(score.outputs[0], x, 0.0, 1.0)
    assert (moved[:, 0] == 1).any()
    assert (moved[:, 1] == FLOOR).any()


@pytest.mark.parametrize(
    ("kind", "bad", "message"),
    [
        ("categorical", [[3, 7]], r"'sort' holds the code 3, which no anchor's sample has; known codes are \[0.0, 1.0"),
        ("categorical", [[0, 0]], r"'side' holds the code 0, .* known codes are \[-1.0, 7.0\]"),
        ("mixed", [[0.5, 9]], "'sort' holds the code 9"),
    ],
)
def test_unknown_category_is_refused(fitted, kind, bad, message):
    surrogate, score = parts(fitted, kind)
    with pytest.raises(DataError, match=message):
        surrogate.transport(score.outputs[0][:1], np.array(bad, np.float32), 0.0, 0.5)
    for value in (0.0, 0.5):  # where a network would draw, and where its draws would be moved
        with pytest.raises(DataError, match=message):
            surrogate.sample(np.array(bad, np.float32), value)


def test_mixed_contexts_are_scored_at_new_numbers_in_every_category(fitted):
    config, root = fitted("mixed")
    seen, scored = (
        {tuple(row) for row in Harvest.load(root / config.folder / "dataset" / split).conditions[0].tolist()}
        for split in ("fit", "score")
    )
    assert not seen & scored
    assert {sort for _, sort in seen} == {sort for _, sort in scored} == {0, 1, 2}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_validation_scores_and_draws_every_kind(fitted, kind):
    config, root = fitted(kind)
    timing.run(config, root)
    leave_out.run(config, root)
    compare.run(config, root)
    validate.run(config, root)
    folder = root / config.folder / "validation"
    document = json.loads((folder / "metrics.json").read_text())
    assert document["comparison"] == COMPARISON[kind]
    assert document["mean"]["surrogate"] < document["mean"]["left_anchor"]
    assert list((folder / "report" / "pictures").glob("*.png"))
