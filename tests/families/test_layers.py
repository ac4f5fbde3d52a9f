import pytest
import torch

from pipeline.families.layers import initialise, linear_layers
from pipeline.families.threads import single_thread


def test_initial_weights_are_uniform_within_the_fan_in():
    layers = linear_layers([100, 200])
    initialise(layers, torch.Generator().manual_seed(0))
    weight = layers[0].weight.detach()
    assert weight.shape == (200, 100)
    assert float(weight.abs().max()) <= 0.1
    assert float(weight.std()) == pytest.approx(0.1 / 3**0.5, rel=0.02)


def test_building_and_drawing_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    initialise(linear_layers([3, 4, 2]), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_thread_count_is_put_back():
    threads = torch.get_num_threads()
    with single_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
