"""λ in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.values import in_words, named, numbers, read_words
from pipeline.errors import ConfigurationError

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite)
def test_words_read_back_as_the_same_numbers(first: float, second: float) -> None:
    words = in_words((first, second), ("quantile", "noise"))
    assert read_words(words) == {"quantile": first, "noise": second}


def test_one_hyperparameter_is_a_number() -> None:
    assert (in_words(0.5, ("quantile",)), named(0.5, ("quantile",)), numbers(0.5)) == ("0.5", 0.5, (0.5,))


def test_several_are_named() -> None:
    value = (0.1, 24.0)
    assert in_words(value, ("quantile", "history")) == "quantile=0.1,history=24"
    assert named(value, ("quantile", "history")) == {"quantile": 0.1, "history": 24.0}


@pytest.mark.parametrize("text", ["", "0.1", "a=", "a=x", "a=1,a=2", "a b=1", "a=nan", "a=1,", "=1"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"quantile=0\.1,noise=0\.5"):
        read_words(text)
