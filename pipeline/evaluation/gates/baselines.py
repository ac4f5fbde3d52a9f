"""The surrogate has to beat every unmoved anchor, and must not be worse than a quick method by more than the noise.

Worse is an error above the line's by more than its allowance, in the mean over the held-out λ, with a bootstrap
interval of the difference above zero (`pipeline.evaluation.resampling`). A surrogate at the floor cannot be
distinguished from the truth by these samples, and is worse than no line: a line between two samples averages their
noise away, and may be below the floor. Dear methods, which run where they are asked for, bar nothing.

Inside broken intervals the surrogate is an anchor's own network, on purpose, because mixtures are ruinous there however
near they come to the truth's outputs: such held-out λ are left out of the comparison.
"""

from pipeline.evaluation.gates.gate import Gate, held_out
from pipeline.evaluation.methods.catalog import baselines
from pipeline.evaluation.methods.floor import METHOD as FLOOR_METHOD
from pipeline.evaluation.methods.method import Method
from pipeline.evaluation.resampling import difference_interval
from pipeline.evaluation.scores import SURROGATE, Evaluation

FLOOR = FLOOR_METHOD.name


def behind(evaluation: Evaluation, method: Method) -> bool:
    """Whether a baseline bars the promotion."""
    own, other = evaluation.mean_error(SURROGATE), evaluation.mean_error(method.name)
    if method.allowance is None:
        return not own < other
    if own <= (1 + method.allowance) * other or (FLOOR in evaluation.methods and own <= evaluation.mean_error(FLOOR)):
        return False
    interval = difference_interval(evaluation, SURROGATE, method.name)
    return interval is None or interval[0] > 0


def _check(evaluation: Evaluation) -> tuple[bool, str] | None:
    everywhere, evaluation = evaluation, evaluation.outside_broken()
    if everywhere.hyperparameters and not evaluation.hyperparameters:
        return False, (
            "every held-out value lies in a broken interval, where the surrogate is an anchor's own network: hold out "
            "a value of another interval to judge it by"
        )
    scored = [m for m in baselines() if m.cost == "quick" and m.name in evaluation.methods]
    if not scored:
        return None
    outside = " outside broken intervals" if everywhere.broken else ""
    verdict = f"the surrogate's mean {evaluation.measure} over {held_out(evaluation)}{outside} is "
    verdict += f"{evaluation.mean_error(SURROGATE):.4g}"
    unbeaten = [method for method in scored if method.allowance is None and behind(evaluation, method)]
    better = [method for method in scored if method.allowance is not None and behind(evaluation, method)]
    faults = [f"which does not beat {_listed(evaluation, unbeaten)}"] if unbeaten else []
    faults += [f"which is beaten by {_listed(evaluation, better)}"] if better else []
    if faults:
        return False, f"{verdict}, {' and '.join(faults)}"
    return True, f"{verdict}, and no baseline is better beyond the noise ({_listed(evaluation, scored)})"


def _listed(evaluation: Evaluation, methods: list[Method]) -> str:
    return "; ".join(
        f"{method.label_for(len(evaluation.names))}: {evaluation.mean_error(method.name):.4g}" for method in methods
    )


GATE = Gate("baselines", _check)
