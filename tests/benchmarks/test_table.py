"""Medians, spreads and verdicts."""

import math

import numpy as np
import pytest

from benchmarks.cost_fit import exponent
from benchmarks.table import Criterion, cell, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-1.2345, "−1.23"), (0.021849, "0.0218"), (1234.5, "1234"), (18.44, "18.4"), (9.999, "10.00")],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_cell_is_the_median_with_the_range():
    assert cell([3.0, 1.0, 2.0]) == "2.00 (1.00 … 3.00)"
    assert cell([2.0, 2.0]) == "2.00"
    assert cell([]) == "–"
    assert cell([2.0, math.nan]) == "2.00 [1 not finite]"


@pytest.mark.parametrize(
    ("criterion", "missed"),
    [
        (Criterion("x", 1.0, high=1.0), 0.0),
        (Criterion("x", 1.5, high=1.0), 0.5),
        (Criterion("x", -1.2, -1.05, -0.8), 0.15),
        (Criterion("x", -0.7, -1.05, -0.8), 0.1),
        (Criterion("x", 0.5, low=1.0), 0.5),
    ],
)
def test_criterion_says_by_how_much_it_is_missed(criterion, missed):
    assert criterion.missed == pytest.approx(missed)
    assert ("met" in str(criterion)) == (missed == 0)
    assert ("missed by" in str(criterion)) == (missed > 0)


def test_criterion_without_a_figure_is_not_met():
    text = str(Criterion("x", math.nan, high=1.0))
    assert "no figure" in text
    assert "met" not in text.replace("no figure", "")


def test_exponent_is_that_of_a_power():
    sizes = [2, 4, 8, 16]
    assert exponent(sizes, [3.0 * n**1.7 for n in sizes]) == pytest.approx(1.7)
    assert exponent(sizes, [5.0] * 4) == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(exponent(sizes[-2:], [1.0, 2.0]))
