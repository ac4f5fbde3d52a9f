"""What the cost benchmarks are measured on."""

import numpy as np
import pytest

from benchmarks.cost_fit import BASE, SIZES, synthetic
from benchmarks.cost_memory import density_errors
from benchmarks.cost_orchestration import scheduled
from benchmarks.cost_serving import best_of_turns
from benchmarks.semicircles import harvest
from flows.dvc_repo.graph import Graph, Stage
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig


@pytest.mark.parametrize("factor", SIZES)
def test_synthetic_harvest_has_the_sizes_asked_for(factor):
    size = SIZES[factor][1]
    data = synthetic(**{**BASE, factor: size})
    found = {
        "anchors": len(data.hyperparameter),
        "samples": len(data.outputs[0]),
        "D": data.outputs[0].shape[1],
        "C": data.conditions[0].shape[1],
    }
    assert found == {**BASE, factor: size}
    np.testing.assert_array_equal(data.conditions[0], data.conditions[-1])


def test_density_of_all_samples_has_no_error_and_that_of_few_has_one():
    quick = {"variant": "K_I-U", "map_steps": 1, "path_steps": 1, "coupling_rounds": 1, "coupling_pairs": 500}
    data = harvest(0)
    complete = Surrogate.fit(data, SurrogateConfig.model_validate(quick | {"density_samples": 400}))
    few = Surrogate.fit(data, SurrogateConfig.model_validate(quick | {"density_samples": 40}))
    assert density_errors(complete, data, 0).max() < 1e-3
    assert density_errors(few, data, 0).mean() > 0.1


def test_functions_are_called_in_turn_and_equally_often():
    calls: list[str] = []
    seconds = best_of_turns([lambda: calls.append("a"), lambda: calls.append("b")], repeats=5)
    assert calls == ["a", "b"] * 15
    assert all(0 <= s < 1 for s in seconds)


@pytest.mark.parametrize(("cores", "expected"), [(1, 12), (2, 9), (5, 7)])
def test_the_best_schedule_of_a_diamond(cores, expected):
    graph = Graph.of(
        [Stage("a", "cpu", ()), *(Stage(name, "cpu", ("a",)) for name in "bcd"), Stage("e", "cpu", ("b", "c", "d"))]
    )
    assert scheduled(graph, {"a": 1, "b": 3, "c": 3, "d": 2, "e": 3}, cores) == expected
