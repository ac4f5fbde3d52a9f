"""Reports of surrogates, as the stage writes them."""

from dataclasses import replace

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.evaluation.decision import UNDECIDED
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.evaluation.trust import Trust
from pipeline.evaluation.uncertainty import Uncertainty
from pipeline.report.html import write_report
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig


def judged(surrogate, score, name="sweep"):
    evaluation = evaluate(surrogate, score)
    return Judgement(evaluation, UNDECIDED, Facts.of(name, surrogate, score, score)).decided()


def fitted(score, anchors):
    """A surrogate of the samples of a score harvest at some of its values."""
    rows = [score.values.index(anchor) for anchor in anchors]
    outputs, conditions = ([of[k] for k in rows] for of in (score.outputs, score.conditions))
    known = Harvest.from_arrays(np.array(anchors), outputs, conditions, schema=score.schema)
    return Surrogate.fit(known, SurrogateConfig(variant="K_I"), seed=0)


def page_of(folder, score, anchors, *, uncertain=False):
    """The report's file; uncertain: with a band of deterministic outputs."""
    surrogate = fitted(score, anchors)
    judgement = judged(surrogate, score)
    if uncertain:
        known = Uncertainty((0.1,) * len(score.schema.outputs), 0.2, deterministic=True, left_out=1, retrained=True)
        judgement = replace(judgement, trust=Trust.of(known, surrogate, score))
    return write_report(folder / "report", surrogate, score, judgement)
