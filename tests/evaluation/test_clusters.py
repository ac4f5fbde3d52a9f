"""Clusters of conditions: what they are, and what becomes of one in which a surrogate fails."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation.certificate import certify
from pipeline.evaluation.clusters import Clustered, clusters_of
from pipeline.evaluation.decision import Decision
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.record import Record
from pipeline.evaluation.scores import SURROGATE, Evaluation, Score
from pipeline.evaluation.trust import Checked, Trust
from pipeline.evaluation.uncertainty import Uncertainty
from pipeline.report.html import markdown, render
from tests.evaluation.oracles import ConstantVelocity, forecast_harvest

RNG = np.random.default_rng(0)
CENTRES = np.array([[0.0, 100.0], [0.0, 500.0], [9.0, 300.0]])
GROUP = np.repeat([0, 1, 2], [20, 15, 12])
CONDITIONS = CENTRES[GROUP] + RNG.normal(size=(47, 2)) * [0.1, 10.0]
NAMES = ("dose", "temperature")


def test_they_are_the_groups_that_there_are_and_say_where():
    found = clusters_of(CONDITIONS, NAMES, (False, False))
    assert len(found) == 3
    for cluster in found:
        assert len(np.unique(GROUP[cluster.holds(CONDITIONS)])) == 1
    dose, low, high = (cluster.name for cluster in found)
    assert dose.startswith("conditions with dose around ")
    assert float(dose.split()[-1]) == pytest.approx(9, abs=0.2)
    assert float(low.split()[-1]) == pytest.approx(100, abs=10)
    assert float(high.split()[-1]) == pytest.approx(500, abs=10)


def test_every_condition_is_in_one_whatever_the_units_and_the_order():
    found = clusters_of(CONDITIONS, NAMES, (False, False))
    assert sum(cluster.holds(CONDITIONS) for cluster in found).tolist() == [1] * 47
    scaled = clusters_of(CONDITIONS[::-1] * [1000.0, 0.01], NAMES, (False, False))
    sizes = [
        sorted(int(c.holds(x).sum()) for c in of)
        for of, x in ((found, CONDITIONS), (scaled, CONDITIONS * [1000, 0.01]))
    ]
    assert sizes == [[12, 15, 20], [12, 15, 20]]


def test_few_conditions_categories_and_constants_have_none():
    assert clusters_of(CONDITIONS[:19], NAMES, (False, False)) == ()
    assert clusters_of(CONDITIONS, NAMES, (True, True)) == ()
    assert clusters_of(np.tile([[1.0, 2.0]], (40, 1)), NAMES, (False, False)) == ()
    two = clusters_of(CONDITIONS, NAMES, (True, False))  # the column that counts
    assert all(cluster.weight[0] == 0 for cluster in two)


def test_jointly_compared_samples_have_none():
    score = Harvest.from_arrays((0.0, 1.0), [CONDITIONS, CONDITIONS], [CONDITIONS] * 2, deterministic=True)
    assert len(Clustered.of(score, "matched").clusters) == 3
    assert Clustered.of(score, "joint").clusters == ()


def judged(own, *, covered=None, values=(0.5,)):
    """A judgement at held-out λ, with errors by condition `own` (47,), 1 of the straight line."""
    harvest = forecast_harvest()
    rows = [Score(v, SURROGATE, float(own.mean()), 1.0, 1.0, {}, tuple(own), (float(own.mean()),)) for v in values]
    rows += [Score(v, "straight_line", 1.0, 1.0, 1.0, {}, (1.0,) * 47, (1.0,)) for v in values]
    score = Harvest.from_arrays((0.0, 1.0), [CONDITIONS, CONDITIONS], [CONDITIONS] * 2, deterministic=True)
    surrogate = replace(ConstantVelocity(schema=harvest.schema, deterministic=True), anchors=(0.0, 1.0))
    evaluation = Evaluation("matched", "MSE", 1, tuple(rows), (), names=("dropout",))
    known = Uncertainty((0.0,), 0.1, True, 1, True)
    share = 1.0 if covered is None else float(covered.mean())
    checked = {} if covered is None else {0.5: Checked(np.unique(CONDITIONS, axis=0), covered[:, None])}
    return Judgement(
        evaluation,
        Decision(True, "so"),
        Facts.of("sweep", surrogate, harvest, harvest),
        trust=Trust(known, ((0.5, share),), ((0.5, 1.0),), checked=checked),
        clustered=Clustered.of(score, "matched"),
    )


def in_cluster(k):
    """Whether the distinct conditions, sorted, belong to the cluster (47,)."""
    return clusters_of(CONDITIONS, NAMES, (False, False))[k].holds(np.unique(CONDITIONS, axis=0))


def test_a_cluster_in_which_the_error_is_large_is_named_where_the_mean_passes(tmp_path):
    judgement = judged(np.where(in_cluster(0), 2.0, 0.9))
    (region,) = certify(judgement)
    assert region.status == "trusted"
    (doubt,) = region.doubts
    assert doubt.cluster.name.startswith("conditions with x0 around 9")
    assert doubt.reasons == (
        "at 0.5 the error is 2 times that of the best quick method (MSE 2; straight line, linear clock: 1)",
    )
    assert "  - **not** at conditions with x0 around 9" in markdown(judgement)
    page = render(judgement, [], tmp_path)
    assert '<span class="trusted doubted"' in page
    assert "trusted, not at all conditions" in page


def test_a_cluster_that_is_hardly_covered_is_named():
    covered = np.ones(47, bool)
    covered[np.flatnonzero(in_cluster(1))[:9]] = False
    (region,) = certify(judged(np.full(47, 1.0), covered=covered))
    (doubt,) = region.doubts
    assert doubt.reasons == ("at 0.5 the uncertainty covers 55 % of the truth, not 90 %",)
    covered[np.flatnonzero(in_cluster(1))[4:]] = True  # 16 of 20: that happens
    (region,) = certify(judged(np.full(47, 1.0), covered=covered))
    assert region.doubts == ()


def test_where_the_whole_fails_no_cluster_is_named():
    (region,) = certify(judged(np.where(in_cluster(0), 9.0, 2.0)))
    assert (region.status, region.doubts) == ("not trusted", ())


def test_stretches_with_other_doubts_stay_apart():
    judgement = judged(np.where(in_cluster(0), 2.0, 0.9))
    good = judged(np.full(47, 0.9), values=(0.8,)).evaluation.held_out
    both = replace(judgement, evaluation=replace(judgement.evaluation, held_out=judgement.evaluation.held_out + good))
    assert [(r.low, r.high, len(r.doubts)) for r in certify(both)] == [(0.0, 0.8, 1), (0.8, 1.0, 0)]


def test_doubts_are_in_the_record(tmp_path):
    judgement = judged(np.where(in_cluster(0), 2.0, 0.9))
    Record.of(judgement).write(tmp_path / "metrics.json")
    assert Record.read(tmp_path / "metrics.json").regions == judgement.regions
