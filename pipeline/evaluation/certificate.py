"""Where along λ the surrogate can be trusted, and why: regions between anchors and held-out values.

A held-out λ is a test of its surroundings, as far as its neighbours among anchors and held-out λ. It fails where the
surrogate's error is, beyond the noise, more than MOST_WORSE times that of the best quick method, or of the floor where
that is larger, and above that of a network from another seed; where outputs leave their columns' bounds; where the
uncertainty covers less than FEWEST_COVERED of the truth; or where the family's score, of single episodes, falls below
those of both neighbouring anchors by more than MOST_BEHIND standard errors of the difference. In a broken interval,
where an anchor's own network is served on purpose, only the scores count.

Where the whole passes, errors and coverage are also tested in each cluster of conditions (`clusters`), and a cluster
that fails is named. Its coverage is that of few conditions, and fails where nine in ten would hardly ever come to so
little.

A stretch without a held-out λ is trusted where one of its anchors passed the same test of errors when it was left out,
from farther away than anything in use; else it is untested. No test says anything of λ outside the anchors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from scipy.stats import binom

from pipeline.data.mesh import Value
from pipeline.evaluation.gates.config import FEWEST_COVERED, MOST_BEHIND, MOST_WORSE, GateSection
from pipeline.evaluation.gates.metrics.coverage import share_covered
from pipeline.evaluation.gates.metrics.error_ratio import error_ratio
from pipeline.evaluation.gates.metrics.outside_bounds import share_outside
from pipeline.evaluation.gates.metrics.task_shortfall import shortfall
from pipeline.evaluation.methods.retrained import RETRAINED
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.evaluation.task_table import TaskTable
from pipeline.evaluation.uncertainty import COVERAGE
from pipeline.surrogate.regions import Cluster, Doubt, Region

if TYPE_CHECKING:
    from pipeline.evaluation.judgement import Judgement

WORSE = GateSection(metric="error_ratio", comparison="<=", limit=MOST_WORSE)
TESTED = "tested at "
CHANCE = 0.01
"""How often nine in ten may come to so little in a cluster, by chance, before it is a fault."""


def certify(judgement: "Judgement") -> tuple[Region, ...]:
    """The regions from the first anchor to the last; () with several hyperparameters, where there are none."""
    evaluation, anchors = judgement.evaluation, judgement.facts.anchors
    if len(evaluation.names) > 1:
        return ()
    faults = {value: _faults(judgement, value) for value in evaluation.hyperparameters}
    doubts = {value: _doubts(judgement, value) for value, found in faults.items() if not found}
    left_out = {value: _error_fault(evaluation.at_left_out, value) for value in evaluation.at_left_out.hyperparameters}
    points = sorted({float(v) for v in (*anchors, *faults) if not isinstance(v, tuple)})
    pieces = [_with_doubts(_piece(low, high, faults, left_out), doubts) for low, high in pairwise(points)]
    merged = _merged(pieces)
    return tuple(replace(region, reasons=_joined(region.reasons)) for region in merged)


def _piece(low: float, high: float, faults: dict[Value, list[str]], left_out: dict[Value, str | None]) -> Region:
    tested = [value for value in (low, high) if value in faults]
    if found := [sentence for value in tested for sentence in faults[value]]:
        return Region(low, high, "not trusted", tuple(found))
    if tested:
        return Region(low, high, "trusted", tuple(f"{TESTED}{value:g}" for value in tested))
    passed = [value for value in (low, high) if value in left_out and left_out[value] is None]
    if passed:
        return Region(low, high, "trusted", tuple(f"anchor {v:g} was predicted without itself" for v in passed))
    failed = [fault for value in (low, high) if (fault := left_out.get(value)) is not None]
    return Region(low, high, "untested", ("nothing is held out here", *(f"without itself, {f}" for f in failed)))


def _with_doubts(piece: Region, doubts: dict[Value, list[Doubt]]) -> Region:
    """A trusted piece with the doubts of the held-out λ on its border."""
    found = [doubt for value in (piece.low, piece.high) for doubt in doubts.get(value, ())]
    return replace(piece, doubts=_united(found)) if piece.status == "trusted" else piece


def _merged(pieces: Sequence[Region]) -> tuple[Region, ...]:
    """Neighbouring pieces of one status as one region."""
    merged: list[Region] = []
    for piece in pieces:
        if merged and _alike(merged[-1], piece):
            last = merged.pop()
            reasons = tuple(dict.fromkeys((*last.reasons, *piece.reasons)))
            piece = Region(last.low, piece.high, piece.status, reasons, _united((*last.doubts, *piece.doubts)))
        merged.append(piece)
    return tuple(merged)


def _alike(one: Region, other: Region) -> bool:
    """Whether two pieces have one status, and the same clusters without trust."""
    return one.status == other.status and {d.cluster for d in one.doubts} == {d.cluster for d in other.doubts}


def _united(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """One doubt a cluster, with all its reasons."""
    reasons: dict[Cluster, dict[str, None]] = {}
    for doubt in doubts:
        reasons.setdefault(doubt.cluster, {}).update(dict.fromkeys(doubt.reasons))
    return tuple(Doubt(cluster, tuple(of)) for cluster, of in reasons.items())


def _joined(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons with all tests in one of them, in the place of the first."""
    tested = [reason.removeprefix(TESTED) for reason in reasons if reason.startswith(TESTED)]
    others = tuple(reason for reason in reasons if not reason.startswith(TESTED))
    return (TESTED + ", ".join(tested), *others) if tested else others


def _faults(judgement: "Judgement", value: Value) -> list[str]:
    """What speaks against the surrogate at one held-out λ."""
    evaluation = judgement.evaluation
    found = [_score_fault(table, value) for table in judgement.task]
    if value not in evaluation.broken:
        found += [_error_fault(evaluation, value), _bounds_fault(judgement, value), _coverage_fault(judgement, value)]
    return [fault for fault in found if fault is not None]


def _doubts(judgement: "Judgement", value: Value) -> list[Doubt]:
    """The clusters of conditions in which the surrogate fails at one held-out λ."""
    if value in judgement.evaluation.broken:
        return []
    found = []
    for cluster, members in zip(judgement.clustered.clusters, judgement.clustered.members, strict=True):
        error = _error_fault(judgement.evaluation.at_values((value,)).at_conditions(members), value)
        reasons = [fault for fault in (error, _cluster_fault(judgement, cluster, value)) if fault is not None]
        found += [Doubt(cluster, tuple(reasons))] if reasons else []
    return found


def _cluster_fault(judgement: "Judgement", cluster: Cluster, value: Value) -> str | None:
    checked = None if judgement.trust is None else judgement.trust.checked.get(value)
    if checked is None:
        return None
    inside = cluster.holds(checked.conditions)
    if not inside.any():
        return None
    share, count = float(checked.covered[inside].mean()), int(inside.sum())
    if share >= FEWEST_COVERED or binom.cdf(round(share * count), count, COVERAGE) > CHANCE:
        return None
    return f"at {value:g} the uncertainty covers {100 * share:.0f} % of the truth, not 90 %"


def _error_fault(evaluation: Evaluation, value: Value) -> str | None:
    here = evaluation.at_values((value,))
    figure = error_ratio(here)
    floor = here.mean_error(RETRAINED) if RETRAINED in here.methods else 0.0
    if figure is None or WORSE.passes(figure.value, figure.interval) or here.mean_error(SURROGATE) <= floor:
        return None
    return f"at {value:g} the error is {figure.value:.3g} times that of the best quick method ({figure.beside})"


def _bounds_fault(judgement: "Judgement", value: Value) -> str | None:
    share = share_outside(judgement, (value,)) or 0.0
    return f"at {value:g} {100 * share:.2g} % of the outputs leave their bounds" if share > 0 else None


def _coverage_fault(judgement: "Judgement", value: Value) -> str | None:
    covered = share_covered(judgement, (value,))
    if covered is None or covered >= FEWEST_COVERED:
        return None
    return f"at {value:g} the uncertainty covers {100 * covered:.0f} % of the truth, not 90 %"


def _score_fault(table: TaskTable, value: Value) -> str | None:
    """Whether the surrogate's episodes are worse than those of both neighbouring anchors."""
    behind = shortfall(table, value)
    if behind is None or behind <= MOST_BEHIND:
        return None
    return f"at {value:g} the {table.name} {dict(table.rows)[value][SURROGATE]:.3g} falls below those of both anchors"
