"""Declared kinds of outputs: what a schema and its data must satisfy."""

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column
from pipeline.errors import ConfigurationError, DataError

NOTHING = [np.zeros((4, 0))] * 2


def harvest(rows, kind, **kwargs) -> Harvest:
    return Harvest.from_arrays((0.0, 1.0), [np.array(rows)] * 2, NOTHING, output_kind=kind, **kwargs)


def angles(*values: float, **kwargs) -> Harvest:
    return harvest([[v] for v in values], "circular", **kwargs)


def test_kinds_come_back_from_disk(tmp_path):
    made = harvest([[0.5, 0.5, 1.0]] * 4, ["simplex", "simplex", "circular"], deterministic=False)
    made.save(tmp_path / "h")
    loaded = Harvest.load(tmp_path / "h")
    assert loaded.schema == made.schema
    assert loaded.schema.simplex == (0, 1)
    assert loaded.schema.periods == (0.0, 0.0, pytest.approx(2 * np.pi))


def test_bounds_of_a_circular_column_are_its_period():
    assert angles(0, 90, 359, 360, bounds={"y0": (0, 360)}).schema.periods == (360.0,)
    assert Column(name="a", kind="circular").period == pytest.approx(2 * np.pi)
    assert Column(name="a", lower=0, upper=3).period == 0


def test_pi_in_float32_is_an_angle():
    assert angles(*np.full(4, np.pi, np.float32)).schema.outputs[0].upper == np.pi


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: angles(0, 1, 2, 6),
            DataError,
            r"'y0' is circular and contains 6, outside \[-3.14\S*, 3.14\S*\]: set its",
        ),
        (lambda: harvest([[0.5, 0.4]] * 4, "simplex"), DataError, r"\['y0', 'y1'\] of row 0 sum to 0.9; .* normalise"),
        (
            lambda: harvest([[1.2, -0.2]] * 4, "simplex"),
            DataError,
            r"'y0' contains 1.2, outside its bounds \[0.0, 1.0\]",
        ),
        (lambda: harvest([[1.0]] * 4, "simplex"), ConfigurationError, "'y0' is the only simplex column"),
        (
            lambda: harvest([[1.0]] * 4, "circular", bounds={"y0": (0, None)}),
            ConfigurationError,
            r"has lower and upper.*or neither.*received lower = 0.0, upper = None",
        ),
        (lambda: harvest([[1.0]] * 4, ["circular"] * 2), ConfigurationError, "output_kind has 2 entries for 1 output"),
        (
            lambda: Harvest.from_arrays((0, 1), [np.zeros((4, 1))] * 2, [np.zeros((4, 1))] * 2, "circular"),
            ConfigurationError,
            "'x0': kind = 'circular' is for outputs; .* cosine and its sine",
        ),
    ],
)
def test_what_contradicts_a_kind_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
