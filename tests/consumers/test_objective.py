import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.consumers.objective import read_objective
from pipeline.errors import ConfigurationError

COLUMNS = {
    "y": np.array([[1.0, -2.0], [3.0, 4.0]]),
    "x": np.array([[2.0], [5.0]]),
    "temp_t+1": np.array([[7.0], [8.0]]),
}
Y, X = COLUMNS["y"], COLUMNS["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y - 2 * x", Y - 2 * X),
        ("-y ** 2 / 4 + y % 3", -(Y**2) / 4 + Y % 3),
        ("abs(y) + exp(y) + sqrt(x) + log(x)", np.abs(Y) + np.exp(Y) + np.sqrt(X) + np.log(X)),
        ("min(y, x, 0) + max(y, x)", np.minimum(np.minimum(Y, X), 0) + np.maximum(Y, X)),
        ("where(y > 0 and y < x, y, -1)", np.where((Y > 0) & (Y < X), Y, -1)),
        ("0 < y <= 3", (Y > 0) & (Y <= 3)),
        ("(not y > 0) + (y == 3 or x != 2)", (Y <= 0) * 1.0 + ((Y == 3) | (X != 2))),
        ('"temp_t+1" * y', COLUMNS["temp_t+1"] * Y),
        ("True", 1.0),
    ],
)
def test_an_expression_is_what_numpy_computes(text, expected):
    np.testing.assert_allclose(read_objective(text, COLUMNS)(COLUMNS), np.asarray(expected, float))


def test_the_columns_that_it_needs_are_known():
    assert read_objective("y + x * y", COLUMNS).names == {"x", "y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y + z", r"there is no column 'z'; there are \['temp_t\+1', 'x', 'y'\]"),
        ("open('y')", "there is no function 'open'"),
        ("y.sum()", r"'y\.sum\(\)' is not allowed"),
        ("y[0]", r"'y\[0\]' is not allowed"),
        ("(lambda: y)()", "is not allowed"),
        ("[y for y in x]", "is not allowed"),
        ("y if x else 0", "is not allowed"),
        ("y @ x", "is not allowed"),
        ("y is x", "is not allowed"),
        ("f'{y}'", "is not allowed"),
        ("1j * y", "is not allowed"),
        ("min(y)", "min takes at least 2 arguments, not 1"),
        ("where(y, 1)", "where takes 3 arguments, not 2"),
        ("abs(y, y=1)", "is not allowed"),
        ("y +", "is no expression"),
        ("y = 1", "is no expression"),
        ("import os", "is no expression"),
        ("", "0 characters"),
        ("y+" * 2000 + "y", "4001 characters"),
        ("-" * 1999 + "y", "is no expression|is not allowed"),
    ],
)
def test_anything_else_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        read_objective(text, COLUMNS)


@settings(max_examples=200)
@given(st.text(alphabet="yx()+-*/<>=.,'\"[]{}:_ 0123abcdefinoprstw@\\\n\0", max_size=40))
def test_no_text_raises_anything_else(text):
    try:
        value = read_objective(text, COLUMNS)(COLUMNS)
    except ConfigurationError:
        return
    assert value.dtype == np.float64


def test_a_power_without_end_ends():
    assert read_objective("9 ** 9 ** 9 ** 9", ())({}) == np.inf
