"""The rules of the benchmark on which λ to train next, and the analytic forecasters."""

from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.active import GRIDS, STARTS, halved, mean_ratio, section, standing, uniform, widest
from benchmarks.machine import Stamp
from benchmarks.record import Record
from benchmarks.ridge import ROWS, RidgeSweep


@dataclass
class Line:
    """A grid from 0 to 1, by tenths."""

    grid: tuple[float, ...] = tuple(k / 10 for k in range(11))

    def candidates(self, anchors):
        return [value for value in self.grid if value not in anchors]


def test_places_halve_what_is_left():
    assert [halved(k) for k in range(1, 8)] == [0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


def test_uniform_takes_the_next_place_that_is_free():
    assert uniform(Line(), (0.0, 0.2, 1.0)) == 0.5
    assert uniform(Line(), (0.0, 0.5, 1.0)) in (0.2, 0.3)
    assert uniform(Line(), (0.0, 0.2, 0.5, 1.0)) in (0.7, 0.8)


def test_the_widest_gap_is_halved():
    assert widest(Line(), (0.0, 0.2, 1.0)) == 0.6
    assert widest(Line(), (0.0, 0.2, 0.6, 1.0)) == 0.4


def test_all_starts_leave_something_to_choose():
    assert all(0 < place < len(grid) - 1 and list(grid) == sorted(grid) for grid in GRIDS.values() for place in STARTS)


def test_a_ridge_forecaster_solves_its_normal_equations():
    sweep = RidgeSweep(1)
    _, _, known, targets = sweep._learnt
    network = sweep.trained(0.3)
    residual = targets - known @ network.coefficients
    assert known.T @ residual == pytest.approx(0.3 * ROWS * network.coefficients, abs=1e-6)


def test_ridge_outputs_move_less_and_less(tmp_path):
    harvest = RidgeSweep(0).harvest("score", GRIDS["ridge"], 0)
    moves = [np.mean((b - a) ** 2) for a, b in zip(harvest.outputs, harvest.outputs[1:], strict=False)]
    assert moves == sorted(moves, reverse=True)
    other = RidgeSweep(1).harvest("score", GRIDS["ridge"], 0)
    assert not np.allclose(harvest.outputs[0], other.outputs[0])
    assert np.array_equal(harvest.conditions[0], other.conditions[0])
    harvest.networks[0].save(tmp_path)
    assert (tmp_path / "ridge.safetensors").is_file()


def test_figures_count_wins_and_ratios(tmp_path):
    stamp = Stamp("2026-01-01", "cpu", 2, 1.0, "3", "2", "abc", 0.1)
    record = Record(tmp_path / "active.json", stamp)
    for seed, factor in enumerate((1.0, 2.0)):
        rows = {}
        for place in STARTS:
            rows[f"{place}/0"] = {"before": 4 * factor}
            for added in (1, 2):
                rows[f"{place}/{added}"] = {"ours": factor, "widest gap": 2 * factor, "uniform": factor}
            rows[f"{place}/1"] |= {"best": factor / 2, "any": factor}
        record.measurements["line", seed] = rows
    assert standing(record, "line", "widest gap", 1) == "0.500 (6 / 0 / 0)"
    assert standing(record, "line", "uniform", 2) == "1.00 (0 / 6 / 0)"
    assert mean_ratio([(1.0, 4.0), (4.0, 1.0)]) == pytest.approx(1)
    text = section(record)
    assert "ratio to widest gap, over 1 sweeps: 0.500 [0.500, 0.500]" in text
    assert "| line | 2.00 | 4.00 | 2.00 | 2.00 |" in text
