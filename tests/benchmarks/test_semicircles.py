"""The protocol's scores, on transports whose scores are known."""

import numpy as np
import pytest
from scipy.special import i0, i1

from benchmarks.semicircles import CATEGORIES, SAMPLES, harvest, score
from pipeline.families.semicircles.family import CONCENTRATION, SPREAD
from tests.problems import Semicircles


class TrueTransport:
    """A surrogate that knows the truth: it turns every start."""

    def transport(self, outputs, conditions, source, target):
        return Semicircles().turn(outputs, int(conditions[0, 0]), source, target)


class Unmoved:
    def transport(self, outputs, conditions, source, target):
        return outputs


def entropy() -> float:
    """E[−log p] of p(angle) p(radius) / radius: von Mises, and lognormal with E log r = 0."""
    ratio = i1(CONCENTRATION) / i0(CONCENTRATION)
    angle = np.log(2 * np.pi * i0(CONCENTRATION)) - CONCENTRATION * ratio
    return float(angle + 0.5 * np.log(2 * np.pi * np.e * SPREAD**2))


def test_true_transport_scores_as_the_truth_does():
    found = score(TrueTransport())
    assert entropy() == pytest.approx(-0.902, abs=1e-3)
    assert found.nll == pytest.approx(entropy(), abs=0.04)
    assert found.circle == pytest.approx(SPREAD * np.sqrt(2 / np.pi), abs=0.002)
    assert found.w2 == pytest.approx(found.floor, rel=0.3)  # 20 redraws leave a tenth of noise to each
    assert found.figures()["ratio"] == found.w2 / found.floor


def test_unmoved_starts_keep_to_the_circle_and_miss_the_truth():
    found = score(Unmoved(), redraws=2)
    assert found.circle == pytest.approx(SPREAD * np.sqrt(2 / np.pi), abs=0.005)
    assert found.w2 > 20 * found.floor
    assert found.nll > 0
    assert found.worst >= found.nll


def test_anchors_are_fresh_for_every_seed():
    first, again, other = harvest(0), harvest(0), harvest(1)
    assert first.digest == again.digest != other.digest
    assert first.categorical == (True,)
    assert [len(y) for y in first.outputs] == [len(CATEGORIES) * SAMPLES] * 3


def test_published_layout_is_read(tmp_path):
    made = harvest(3)
    path = tmp_path / "anchors.npz"
    np.savez(path, hyperparameter=made.hyperparameter, outputs=made.outputs, conditions=made.conditions)
    assert harvest(0, path).digest == made.digest
