"""The comparison over seeds of networks: what its criterion computes."""

import numpy as np
import pytest

from benchmarks.network_seeds import paired_ratio


def test_ratio_of_means_with_the_interval_of_the_paired_difference():
    ratio, interval = paired_ratio([1.1, 2.1, 3.3], [1.0, 2.0, 3.0])
    assert ratio == pytest.approx(6.5 / 6)
    assert interval == pytest.approx(2 * np.std([0.1, 0.1, 0.3], ddof=1) / np.sqrt(3) / 2)


def test_a_constant_lead_has_no_interval_and_one_seed_no_figure():
    assert paired_ratio([2.0, 3.0], [1.0, 2.0])[1] == pytest.approx(0)
    assert np.isnan(paired_ratio([1.0], [1.0])[0])
