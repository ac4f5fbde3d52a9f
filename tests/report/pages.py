"""Reports of surrogates, as the stage writes them."""

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.gates.catalog import decide
from pipeline.evaluation.judgement import Facts, Judgement
from pipeline.report.html import write_report
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig


def judged(surrogate, score, name="sweep"):
    evaluation = evaluate(surrogate, score)
    return Judgement(evaluation, decide(evaluation), Facts.of(name, surrogate, score, score))


def fitted(score, anchors):
    """A surrogate of the samples of a score harvest at some of its values."""
    rows = [score.values.index(anchor) for anchor in anchors]
    outputs, conditions = ([of[k] for k in rows] for of in (score.outputs, score.conditions))
    known = Harvest.from_arrays(np.array(anchors), outputs, conditions, schema=score.schema)
    return Surrogate.fit(known, SurrogateConfig(variant="K_I"), seed=0)


def page_of(folder, score, anchors, band=None):
    """The report's file."""
    surrogate = fitted(score, anchors)
    return write_report(folder / "report", surrogate, score, judged(surrogate, score), band)
