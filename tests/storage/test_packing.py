import json
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.storage.packing import GLOBAL, Tensors, check_changeable, pack, restore, state_of, unpack

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def passed(value):
    tensors: Tensors = {}
    return unpack(json.loads(json.dumps(pack(value, tensors))), tensors)


@given(NESTED)
def test_plain_values_come_back_as_they_were(value):
    assert repr(passed(value)) == repr(value)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_arrays_keep_type_and_shape(dtype, shape):
    array = np.arange(6)[: math.prod(shape)].reshape(shape).astype(dtype)
    back = passed(array)
    assert back.dtype == array.dtype
    assert back.shape == shape
    np.testing.assert_array_equal(back, array)
    assert isinstance(back, np.ndarray)


def test_strided_arrays_come_back_in_order():
    array = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(passed(array), array)
    tensor = torch.arange(6.0).reshape(2, 3).T
    assert torch.equal(passed(tensor), tensor)


def test_numbers_of_numpy_keep_their_type():
    for number in (np.float32(0.1), np.int32(-3), np.bool_(True)):
        back = passed(number)
        assert type(back) is type(number)
        assert back == number


def test_infinite_numbers_come_back():
    assert passed([math.inf, -math.inf]) == [math.inf, -math.inf]
    assert math.isnan(passed(math.nan))


def test_what_is_packed_is_a_copy():
    array = np.zeros(2)
    tensors: Tensors = {}
    packed = pack([array], tensors)
    array[:] = 1
    np.testing.assert_array_equal(unpack(packed, tensors)[0], [0, 0])


def test_other_things_are_refused():
    with pytest.raises(ConfigurationError, match=r"cannot hold .* a function; hand in tensors"):
        pack([passed], {})


@pytest.mark.parametrize("part", [3, 0.5, "text", (1, 2), None, object()])
def test_what_cannot_be_put_back_is_refused(part):
    with pytest.raises(ConfigurationError, match=r"steps = .* cannot be put back in place; hand in an array"):
        check_changeable("steps", part)


def through(part, change):
    """Numbers that a part gives after its state was taken, changed and put back."""
    saved = passed(state_of(part))
    change()
    restore(part, saved)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_numpys_generators_go_on(bits):
    generator = np.random.Generator(bits(0))
    expected = np.random.Generator(bits(0)).random(4)
    through(generator, lambda: generator.random(7))
    np.testing.assert_array_equal(generator.random(4), expected)


def test_torchs_generators_go_on():
    generator = torch.Generator().manual_seed(3)
    torch.randn(5, generator=generator)  # half of a pair of normal numbers is kept for later
    twin = torch.Generator()
    twin.set_state(generator.get_state())
    through(generator, lambda: torch.rand(7, generator=generator))
    assert torch.equal(torch.randn(6, generator=generator), torch.randn(6, generator=twin))


def test_global_generators_go_on():
    def numbers():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    saved = passed(state_of(GLOBAL))
    expected = numbers()
    numbers()
    restore(GLOBAL, saved)
    assert numbers() == expected


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
def test_optimisers_go_on(make):
    def trained(stop):
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        optimiser = make(layer.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=20)
        for step in range(8):
            if step == stop:
                parts = (layer, optimiser, schedule)
                for part, saved in zip(parts, [passed(state_of(p)) for p in parts], strict=True):
                    for tensor in layer.parameters():
                        tensor.grad = None
                    restore(part, saved)
            optimiser.zero_grad()
            torch.autograd.backward(layer(torch.ones(4, 3)).square().sum())
            optimiser.step()
            schedule.step()
        return torch.cat([p.detach().flatten() for p in layer.parameters()])

    assert torch.equal(trained(4), trained(-1))
